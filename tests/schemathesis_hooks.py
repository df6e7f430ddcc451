"""Additional checks for schemathesis, named in schemathesis.toml."""

import jsonschema
import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, Response

from booking_site.api.openapi.problems import PROBLEMS, component_name

UNFORESEEABLE = {"email_taken", "password_unfit", "password_wrong", "link_invalid"}


@schemathesis.check
def described_data_is_well_formed(ctx: CheckContext, response: Response, case: Case) -> None:
    """A 400 to a request that the schema allows has a reason that no schema can express."""
    described = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if described and response.status_code == 400:
        code = response.json()["code"]
        assert code in UNFORESEEABLE, f"The schema allows this, and yet it is {code}"


@schemathesis.check
def problems_have_the_members_of_their_code(
    ctx: CheckContext, response: Response, case: Case
) -> None:
    """The operation lists the code of an error, whose component has exactly its members.

    The schema of the response alone allows any code, as clients must.
    """
    if response.status_code < 400:
        return
    problem = response.json()
    code = problem["code"]
    if code == "method_not_allowed":  # not a call of this operation
        return
    assert code in case.operation.definition.raw[PROBLEMS], f"{code} is not listed"
    components = case.operation.schema.raw_schema["components"]
    reference = {"$ref": f"#/components/schemas/{component_name(code)}", "components": components}
    jsonschema.Draft4Validator(reference).validate(problem)
    parts = components["schemas"][component_name(code)]["allOf"]
    described = {"code"}.union(*(_resolved(part, components)["properties"] for part in parts))
    assert set(problem) == described


def _resolved(part: dict, components: dict) -> dict:
    return components["schemas"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
