"""`python -m tests.stories.make_hostile_console DIRECTORY`: a console whose every free text wants to be a script.

Writes as JSON what the story needs: an API key, a set-up link, and the ids of what was made.
"""

import json
import sys
from pathlib import Path

from seawall import app
from seawall.settings import Settings

EMAIL, PASSWORD = "owner@example.org", "nine green lanterns in a row"

#: Ends every kind of quoting there is, and would be seen: an alert, an error, a violation of the content policy.
HOSTILE = "\"'`></title></textarea></script><script>alert(1)</script><img src=x onerror=alert(2)>${7*7}{{7*7}}{%x%}"


def main(data_dir: Path) -> None:
    """Everything that a person can write, written."""
    app.prepare(Settings(data_dir=data_dir))
    # Modules with tables can be imported only now.
    from seawall.matching.banks import create_bank
    from seawall.matching.imports import import_list
    from seawall.matching.listing import add_signals
    from seawall.matching.model import BankKind
    from seawall.members.accounts import finish_setup, name_instance, new_setup_link, set_account
    from seawall.members.issue import issue_key
    from seawall.members.models import Person
    from seawall.members.people import add_person
    from seawall.members.roles import Role
    from seawall.record.clock import system_clock
    from seawall.screening.model import Action, Rule
    from seawall.screening.policies import policy_in_force, rules_of, save_policy, save_surface
    from seawall.screening.publish import bank_rules
    from seawall.signals.model import Signal
    from tests.rooms.doors.scene import surface

    now = system_clock()
    app.furnish(now)
    owner = Person.objects.get(is_owner=True)
    by = owner.id
    name_instance(HOSTILE[:100], by=by, now=now)
    save_surface(surface("posts", private_basis=HOSTILE), by=by, now=now)
    create_bank("ours", by=by, now=now, listed_by=HOSTILE)
    create_bank("unseen", by=by, now=now, listed_by=HOSTILE, kind=BankKind.NO_LOOK, reporting_duty=HOSTILE)
    signals = [Signal(type="sha256", value="ab" * 32)]
    listed = add_signals("ours", signals, by=by, now=now, source=HOSTILE, note=HOSTILE)
    file = data_dir.parent / "list.csv"
    file.write_text(f"type,value\nsha256,{'cd' * 32}\n")
    imported = import_list("ours", file, by=by, clock=system_clock, source=HOSTILE)
    key, token = issue_key(name=HOSTILE, scopes=["screen", "read"], by=by, now=now)
    rule = Rule(
        name="hostile", action=Action.HOLD, code=HOSTILE, text=HOSTILE, public_text=HOSTILE, banks=("ours",), priority=9
    )
    save_policy([*rules_of(policy_in_force()), rule], banks=bank_rules(), by=by, now=now, note=HOSTILE)
    reader = add_person(name=HOSTILE, role=Role.READER, by=by, now=now)
    for person, email in ((owner, EMAIL), (reader, "reader@example.org")):
        link = new_setup_link(person, by=by, now=now)
        set_account(link, email=email, password=PASSWORD, name=HOSTILE, now=now)
    finish_setup(by=by, now=now)
    made = {
        "token": token,
        "key": key.key_id,
        "signal": listed.ids[0],
        "import": imported.import_id,
        "person": reader.id,
        "link": new_setup_link(reader, by=by, now=now),
    }
    sys.stdout.write(json.dumps(made))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
