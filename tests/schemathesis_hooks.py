"""Additional checks for schemathesis, named in schemathesis.toml."""

import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, Response

UNFORESEEABLE = {"email_taken", "password_unfit", "password_wrong", "link_invalid"}


@schemathesis.check
def described_data_is_well_formed(ctx: CheckContext, response: Response, case: Case) -> None:
    """A 400 to a request that the schema allows has a reason that no schema can express."""
    described = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if described and response.status_code == 400:
        code = response.json()["code"]
        assert code in UNFORESEEABLE, f"The schema allows this, and yet it is {code}"
