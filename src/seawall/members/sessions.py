"""Ending a person's sessions: each row says whose it is and which address they typed."""

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils.http import int_to_base36

from seawall.members.models import Account

#: Where allauth keeps who gave a password and no code yet.
HALF_WAY_KEY = "account_login"


def end_sessions(account: Account) -> int:
    """Sign them out everywhere, half way in too; returns how many sessions ended. Sessions name their account in a
    sealed field, so each is looked at: there are a few for each person, and those that are over are swept.
    """
    ended = [row.session_key for row in Session.objects.all().iterator() if _is_of(row, account)]
    Session.objects.filter(session_key__in=ended).delete()
    return len(ended)


def _is_of(row: Session, account: Account) -> bool:
    known = row.get_decoded()
    half_way = known.get(HALF_WAY_KEY)
    begun = half_way.get("user_pk") if isinstance(half_way, dict) else None
    return known.get(SESSION_KEY) == str(account.pk) or begun == int_to_base36(account.pk)
