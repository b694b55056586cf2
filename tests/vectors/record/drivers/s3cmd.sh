# s3cmd in both signature versions.
set -u
s3() { s3cmd --host="127.0.0.1:$PORT" --host-bucket="127.0.0.1:$PORT" --access_key="$AWS_ACCESS_KEY_ID" --secret_key="$AWS_SECRET_ACCESS_KEY" --region=us-east-1 $tls "$@" > /dev/null 2> err || { echo "{\"step\": \"$*\", \"ok\": false}"; cat err >&2; }; }
[ "$OVER" = https ] && tls="--ssl --ca-certs=$CA_FILE" || tls=--no-ssl
for extra in "" "--signature-v2"; do
  [ -n "$extra" ] && tls="$tls $extra"
  s3 put small.bin "s3://$BUCKET/in/a.txt"
  s3 put small.bin "s3://$BUCKET/in/a b+c é.txt"
  s3 put -m text/css --add-header=x-amz-meta-a_b:c --no-preserve small.bin "s3://$BUCKET/in/typed"
  s3 put --multipart-chunk-size-mb=5 big.bin "s3://$BUCKET/in/big.bin"
  s3 get --force "s3://$BUCKET/in/a.txt" back
  s3 ls "s3://$BUCKET/in/"
  s3 info "s3://$BUCKET/in/a.txt"
  s3 cp "s3://$BUCKET/in/a.txt" "s3://$BUCKET/in/copy.txt"
  s3 modify --add-header=x-amz-meta-k:v "s3://$BUCKET/in/copy.txt"
  curl -sSk -o /dev/null "$(s3cmd --host="127.0.0.1:$PORT" --host-bucket="127.0.0.1:$PORT" --access_key="$AWS_ACCESS_KEY_ID" --secret_key="$AWS_SECRET_ACCESS_KEY" $tls signurl "s3://$BUCKET/in/a.txt" +600)"
  s3 mv "s3://$BUCKET/in/copy.txt" "s3://$BUCKET/in/moved.txt"
  s3 del "s3://$BUCKET/in/a.txt" "s3://$BUCKET/in/typed"
  s3 del --recursive --force "s3://$BUCKET/in/"
done
