# curl --aws-sigv4: little is signed, and a path goes as it is typed. This version leaves the hash to who calls it.
hash=UNSIGNED-PAYLOAD
set -u
say() { echo "{\"step\": \"$1\", \"ok\": $([ "$2" = 0 ] && echo true || echo false), \"said\": \"\"}"; }
ask() { curl -sS -f --cacert "$CA_FILE" -o /dev/null --aws-sigv4 "aws:amz:us-east-1:s3" -u "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H "x-amz-content-sha256: $hash" "$@"; say "${*: -1}" $?; }
at="$ENDPOINT/$BUCKET/in"
ask -T small.bin "$at/a.txt"
hash=$(sha256sum small.bin | cut -d' ' -f1) ask -T small.bin "$at/hashed"
ask -T small.bin -H 'Content-Type: text/plain' -H 'x-amz-meta-under_score: a  b' "$at/b%20c%2Bd"
ask -X PUT --data-binary @small.bin "$at/form-typed"
ask -X PUT --data-binary @small.bin -H 'Expect: 100-continue' "$at/expects"
ask "$at/a.txt"
ask -r 0-9 "$at/a.txt"
ask -I "$at/a.txt"
ask --compressed "$at/a.txt"
ask "$ENDPOINT/$BUCKET?list-type=2&prefix=in%2F"
ask -X PUT -H "x-amz-copy-source: /$BUCKET/in/a.txt" "$at/copy"
ask -X DELETE "$at/copy"
ask -T - "$at/stdin" < small.bin
