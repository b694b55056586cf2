# libs3's own tool, in C.
set -u
export S3_ACCESS_KEY_ID="$AWS_ACCESS_KEY_ID" S3_SECRET_ACCESS_KEY="$AWS_SECRET_ACCESS_KEY" S3_HOSTNAME="127.0.0.1:$PORT"
[ "$OVER" = https ] && how="-u" && unset how && how="" || how="-u"
l3() { s3 $how -f "$@" > /dev/null 2> err || { echo "{\"step\": \"$*\", \"ok\": false}"; tail -2 err >&2; }; }
l3 list
l3 list "$BUCKET" prefix=in/ delimiter=/
l3 put "$BUCKET/in/a.txt" filename=small.bin contentType=text/plain x-amz-meta-a_b=c
l3 put "$BUCKET/in/a b+c" filename=small.bin
l3 put "$BUCKET/in/big.bin" filename=big.bin
l3 get "$BUCKET/in/a.txt" filename=back
l3 get "$BUCKET/in/a.txt" filename=back startByte=3 byteCount=5
l3 head "$BUCKET/in/a.txt"
l3 copy "$BUCKET/in/a.txt" "$BUCKET/in/copy.txt"
l3 delete "$BUCKET/in/copy.txt"
l3 gqs "$BUCKET/in/a.txt" > url && true
curl -sSk -o /dev/null "$(s3 $how -f gqs "$BUCKET/in/a.txt" 2>/dev/null | tail -1)" || true
