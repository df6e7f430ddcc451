// Rules of `lint-openapi`. Those that do not fit the API are off, each with its reason.
module.exports = {
  extends: require("@ibm-cloud/openapi-ruleset"),
  rules: {
    // The contract of existing clients
    "ibm-no-array-responses": "off", // Lists are bare arrays.
    "ibm-collection-array-property": "off", // The same.
    "ibm-no-array-of-arrays": "off", // Alternatives are lists of seat ids.
    "ibm-major-version-in-path": "off", // Paths have no version.
    "ibm-operationid-naming-convention": "off", // Operation ids are stable.
    "ibm-no-nullable-properties": "off", // A missing value is null.
    "ibm-no-operation-requestbody": "off", // DELETE /api/auth/me takes the password.
    "ibm-patch-request-content-type": "off", // Every body is application/json.
    "ibm-resource-response-consistency": "off", // A purchase returns its bookings and their order.
    "ibm-response-status-codes": "off", // 422 is a business rule that refuses a valid body.
    "ibm-accept-and-return-models": "off", // A body may be `{}`; an export has no fixed shape.
    "ibm-well-defined-dictionaries": "off", // The same.
    // Errors are problem documents (RFC 9457), not IBM's model.
    "ibm-error-content-type-is-json": "off",
    "ibm-error-response-schemas": "off",
    // The generator writes these, with the same meaning.
    "ibm-avoid-inline-schemas": "off",
    "ibm-avoid-repeating-path-parameters": "off",
    "ibm-schema-naming-convention": "off", // `MovieList` instead of `MovieCollection`
    // Redocly's linter checks examples too, and reads patterns such as \p{L} with Unicode.
    "oas3-valid-media-example": "off",
    // Dates, `If-None-Match` and what only the server sends have no limits to document.
    "ibm-array-attributes": "off",
    "ibm-string-attributes": "off",
  },
};
