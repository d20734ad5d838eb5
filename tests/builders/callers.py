"""Tokens for every caller of the small country: signing in is slow, and tested where it belongs."""

from datetime import timedelta

from app.api.deps import ServiceState
from app.api.tokens import TokenKind, TokenSubject, issue_token
from app.ingest.receipts import ISSUER
from tests.builders.province import Province


def tokens_for_all(service: ServiceState, province: Province) -> dict[str, str]:
    """Give a token good for an hour from the service's now, by caller."""
    subjects = {
        **{
            name: TokenSubject(kind=TokenKind.OFFICER, id=officer.account_id)
            for name, officer in province.officers.items()
        },
        **{
            name: TokenSubject(kind=TokenKind.CLIENT, id=client.client_id)
            for name, client in province.clients.items()
        },
    }
    return {
        name: issue_token(
            service.keys, subject, issuer=ISSUER, now=service.clock(), lifetime=timedelta(hours=1)
        )
        for name, subject in subjects.items()
    }
