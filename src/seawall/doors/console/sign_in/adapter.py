"""Where allauth asks how things are done here."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's signature
        """An account comes from a set-up link, and from nothing else."""
        return False


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    pass
