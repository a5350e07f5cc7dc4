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


class Hold(models.Model):
    """An upload that is not published until a person has looked. It goes with its ledger row's day."""

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
    #: Whether bytes were kept; a hash-only hold has none to show.
    has_preview = models.BooleanField()

    class Meta:
        db_table = "screening_hold"
        indexes = (
            models.Index(fields=["expires_at"], name="screening_hold_waiting", condition=models.Q(state="waiting")),
            models.Index(fields=["day"], name="screening_hold_day"),
        )

    def __str__(self) -> str:
        return f"{self.screening_id} {self.state}"
