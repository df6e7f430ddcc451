#!/usr/bin/env bash
# ibm-openapi-validator: a fresh installation rejects every ruleset that --ruleset names, even one
# that only extends its own. Its ruleset loader brings a newer spectral-core than the one it pins,
# and neither version recognizes a ruleset of the other. With one version of spectral-core it works.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat > ruleset.js <<'JS'
module.exports = { extends: require("@ibm-cloud/openapi-ruleset") };
JS
cat > api.yaml <<'YAML'
openapi: 3.0.3
info: {title: Example, version: "1"}
paths: {}
YAML
validate() { # with the contents of package.json
    echo "$1" > package.json
    rm -rf node_modules package-lock.json
    npm install --silent --no-audit --no-fund --ignore-scripts @ibm-cloud/openapi-ruleset@1.33.15 ibm-openapi-validator@1.38.4
    cat $(find node_modules -path '*/@stoplight/spectral-core/package.json') | sed -n 's/.*"version": /spectral-core /p'
    npx lint-openapi --errors-only --ruleset ruleset.js api.yaml > output 2>&1 || true
    grep -o 'Provided ruleset is not an object\|passed the validator' output | head -n 1
}
echo "ibm-openapi-validator 1.38.4"
validate '{}'
grep -q "Provided ruleset is not an object" output
validate '{"overrides": {"@stoplight/spectral-core": "1.23.1"}}'
if grep -q "Provided ruleset is not an object" output; then exit 1; fi
