# awscurl, a curl in Python that signs.
set -u
export REQUESTS_CA_BUNDLE="$CA_FILE"
at="$ENDPOINT/$BUCKET/in"
ask() { awscurl --service s3 --region us-east-1 --fail-with-body "$@" > /dev/null || echo "{\"step\": \"$*\", \"ok\": false}"; }
ask -X PUT -d hello "$at/a.txt"
ask -X PUT -d hello -H 'Content-Type: text/plain' "$at/b"
ask "$at/a.txt"
ask "$ENDPOINT/$BUCKET?list-type=2&prefix=in/"
ask -X DELETE "$at/a.txt"
