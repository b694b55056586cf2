# s4cmd, the way of boto3 with threads.
set -u
s4() { s4cmd --endpoint-url "$ENDPOINT" "$@" > /dev/null || echo "{\"step\": \"$*\", \"ok\": false}"; }
s4 put small.bin "s3://$BUCKET/in/a.txt"
s4 put --multipart-split-size=5242880 big.bin "s3://$BUCKET/in/big.bin"
s4 get "s3://$BUCKET/in/a.txt" back
s4 ls "s3://$BUCKET/in/"
s4 cp "s3://$BUCKET/in/a.txt" "s3://$BUCKET/in/b.txt"
s4 del "s3://$BUCKET/in/a.txt"
