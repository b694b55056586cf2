# the AWS CLI, high and low level.
set -u
aws() { command aws --endpoint-url "$ENDPOINT" --ca-bundle "$CA_FILE" "$@" > /dev/null 2> err || { echo "{\"step\": \"$*\", \"ok\": false}"; tail -2 err >&2; }; }
aws s3 cp small.bin "s3://$BUCKET/in/a.txt"
aws s3 cp small.bin "s3://$BUCKET/in/a b+c é.txt" --metadata 'a_b=c,d-e=f' --content-type 'text/css; charset=utf-8'
aws s3 cp big.bin "s3://$BUCKET/in/big.bin"
aws s3 cp - "s3://$BUCKET/in/piped" < small.bin
aws s3 cp "s3://$BUCKET/in/big.bin" back.bin
aws s3 cp "s3://$BUCKET/in/a.txt" "s3://$BUCKET/in/copy.txt"
aws s3 ls "s3://$BUCKET/in/"
aws s3 sync . "s3://$BUCKET/in/sync" --exclude '*.bin'
aws s3api put-object --bucket "$BUCKET" --key in/checked --body small.bin --checksum-algorithm SHA256
aws s3api get-object --bucket "$BUCKET" --key in/a.txt --range bytes=0-9 out
aws s3api head-object --bucket "$BUCKET" --key in/a.txt
aws s3api list-objects-v2 --bucket "$BUCKET" --prefix in/ --delimiter /
aws s3api delete-objects --bucket "$BUCKET" --delete 'Objects=[{Key=in/a.txt},{Key=in/b c}]'
aws s3 rm --recursive "s3://$BUCKET/in/"
curl -sSk -o /dev/null "$(command aws --endpoint-url "$ENDPOINT" s3 presign "s3://$BUCKET/in/big.bin")"
