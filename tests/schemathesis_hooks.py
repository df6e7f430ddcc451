"""What schemathesis checks beside its own; named in schemathesis.toml."""

import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, Response

UNFORESEEABLE = {"email_taken", "password_unfit", "password_wrong", "link_invalid"}


@schemathesis.check
def described_data_is_well_formed(ctx: CheckContext, response: Response, case: Case) -> None:
    """Of what the schema allows, a 400 may refuse only what no schema can tell."""
    described = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if described and response.status_code == 400:
        code = response.json()["code"]
        assert code in UNFORESEEABLE, f"The schema allows this, and yet it is {code}"
