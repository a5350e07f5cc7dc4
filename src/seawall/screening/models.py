"""Tables of screening: policies in all their versions, and surfaces. The ledger has files of its own (`ledger`)."""

from django.db import models


class PolicyVersion(models.Model):
    """One saved version of the rules. Versions are never changed; the newest is in force."""

    policy_id = models.CharField(max_length=63)
    version = models.PositiveIntegerField()
    #: The rules as JSON, exactly as linted.
    rules = models.TextField()
    note = models.TextField(blank=True)
    saved_at = models.DateTimeField()
    saved_by = models.CharField(max_length=120)

    class Meta:
        db_table = "screening_policy"
        constraints = (models.UniqueConstraint(fields=["policy_id", "version"], name="screening_policy_version"),)

    def __str__(self) -> str:
        return f"{self.policy_id} version {self.version}"


class SurfaceRow(models.Model):
    """A surface as the owner declared it; `body` is the JSON of `screening.model.Surface`."""

    name = models.CharField(max_length=63, primary_key=True)
    body = models.TextField()
    saved_at = models.DateTimeField()
    saved_by = models.CharField(max_length=120)

    class Meta:
        db_table = "screening_surface"

    def __str__(self) -> str:
        return self.name


# The ledger's own tables are not here: see `ledger`. These are what its rows lead to.


class LedgerDay(models.Model):
    """How much of one partition of the ledger the log has: batches 1 to `logged_batches`, their holds opened."""

    day = models.DateField()
    family = models.CharField(max_length=16)
    logged_batches = models.BigIntegerField(default=0)

    class Meta:
        db_table = "screening_ledger_day"
        constraints = (models.UniqueConstraint(fields=["day", "family"], name="screening_ledger_day_once"),)

    def __str__(self) -> str:
        return f"{self.day}.{self.family} to batch {self.logged_batches}"


#: What the indexes below are about; a query uses one only if it says the same.
WAITING = models.Q(state="waiting")
ASKED = models.Q(asked_at__isnull=False)
PENDING = models.Q(decided_at__isnull=False)
RESOLVED = models.Q(resolved_at__isnull=False)
KEPT = models.Q(keep_bytes_until__isnull=False)


class Hold(models.Model):
    """An upload that is not published until a person has looked. It goes with its ledger row's day.

    Columns later than the first release have a default in the database too, so that the release before can write rows.
    """

    screening_id = models.CharField(max_length=64, primary_key=True)
    surface = models.CharField(max_length=63)
    #: The ledger's day: it is not dropped while this waits.
    day = models.DateField()
    held_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    #: `release`, `refuse`; empty where nothing was promised: then only a person decides.
    on_expiry = models.CharField(max_length=10, blank=True)
    #: waiting, released, refused or expired.
    state = models.CharField(max_length=10, default="waiting")
    #: released or refused; empty while it waits.
    outcome = models.CharField(max_length=10, blank=True)
    resolved_at = models.DateTimeField(null=True)
    resolved_by = models.CharField(max_length=100, blank=True)
    reason = models.TextField(blank=True)
    #: Whether bytes are kept; a hash-only hold has none to show, and a released one has none any more.
    has_preview = models.BooleanField()
    #: `screened`: the verdict was hold. `asked`: it was block, and the person concerned asked for a person to look.
    origin = models.CharField(max_length=10, default="screened", db_default="screened")
    #: A decision that takes effect in a few seconds, so that it can still be undone; the state stays waiting.
    decided_outcome = models.CharField(max_length=10, blank=True, default="", db_default="")
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=100, blank=True, default="", db_default="")
    decided_reason = models.TextField(blank=True, default="", db_default="")
    #: When the person concerned asked for a person to look, what for, and in which words.
    asked_at = models.DateTimeField(null=True)
    asked_claim = models.CharField(max_length=20, blank=True, default="", db_default="")
    asked_text = models.TextField(blank=True, default="", db_default="")
    #: Of a refused hold with bytes: the end of its appeal window. They are destroyed after it.
    keep_bytes_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "screening_hold"
        # Each list of the console is read from one of these in its order, however many rows there are.
        indexes = (
            models.Index(fields=["day"], name="screening_hold_day"),
            models.Index(fields=["expires_at", "screening_id"], name="screening_hold_due", condition=WAITING),
            models.Index(
                fields=["surface", "expires_at", "screening_id"], name="screening_hold_surface", condition=WAITING
            ),
            models.Index(fields=["asked_at", "screening_id"], name="screening_hold_asked", condition=WAITING & ASKED),
            models.Index(
                fields=["surface", "asked_at", "screening_id"],
                name="screening_hold_asked_in",
                condition=WAITING & ASKED,
            ),
            models.Index(fields=["decided_at"], name="screening_hold_pending", condition=PENDING),
            models.Index(fields=["resolved_at", "screening_id"], name="screening_hold_done", condition=RESOLVED),
            models.Index(
                fields=["surface", "resolved_at", "screening_id"], name="screening_hold_done_in", condition=RESOLVED
            ),
            models.Index(fields=["keep_bytes_until"], name="screening_hold_kept", condition=KEPT),
        )

    def __str__(self) -> str:
        return f"{self.screening_id} {self.state}"


class ScreeningTotals(models.Model):
    """How many screenings one surface had in one partition of the ledger, and what became of its holds.

    Only counts, so they stay when the day's rows are dropped. `ledger.counting` writes them, `totals` reads them.
    """

    day = models.DateField()
    #: unmatched or matched.
    family = models.CharField(max_length=16)
    surface = models.CharField(max_length=63)
    #: Rows of the ledger, whatever their verdict.
    uploads = models.BigIntegerField(default=0, db_default=0)
    #: Those that could not be screened completely.
    degraded = models.BigIntegerField(default=0, db_default=0)
    #: Those with verdict hold or block.
    held = models.BigIntegerField(default=0, db_default=0)
    blocked = models.BigIntegerField(default=0, db_default=0)
    #: Those held that were released or refused by a person, or whose time ran out.
    released = models.BigIntegerField(default=0, db_default=0)
    refused = models.BigIntegerField(default=0, db_default=0)
    expired = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        db_table = "screening_totals"
        constraints = (models.UniqueConstraint(fields=["day", "family", "surface"], name="screening_totals_once"),)

    def __str__(self) -> str:
        return f"{self.day}.{self.family} {self.surface}: {self.uploads}"
