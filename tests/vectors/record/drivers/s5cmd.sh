# s5cmd on the Go SDK 1.
set -u
export S3_ENDPOINT_URL="$ENDPOINT"
s5() { s5cmd --no-verify-ssl "$@" > /dev/null || echo "{\"step\": \"$*\", \"ok\": false}"; }
s5 cp small.bin "s3://$BUCKET/in/a.txt"
s5 cp small.bin "s3://$BUCKET/in/a b+c é.txt"
s5 cp --content-type text/css --metadata 'a_b=c' small.bin "s3://$BUCKET/in/typed"
s5 cp --part-size 5 big.bin "s3://$BUCKET/in/big.bin"
s5 cat "s3://$BUCKET/in/a.txt"
s5 cp "s3://$BUCKET/in/big.bin" back.bin
s5 cp "s3://$BUCKET/in/a.txt" "s3://$BUCKET/in/copy.txt"
s5 ls "s3://$BUCKET/in/"
s5 head "s3://$BUCKET/in/a.txt"
s5 du "s3://$BUCKET/in/*"
s5 pipe "s3://$BUCKET/in/piped" < small.bin
s5 rm "s3://$BUCKET/in/*"
curl -sSk -o /dev/null "$(s5cmd --no-verify-ssl presign "s3://$BUCKET/in/a.txt")"
