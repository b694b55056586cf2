# rclone, as a remote of no known provider, of MinIO, and with the old signature.
set -u
export RCLONE_S3_ENDPOINT="$ENDPOINT" RCLONE_S3_ACCESS_KEY_ID="$AWS_ACCESS_KEY_ID" RCLONE_S3_NO_CHECK_BUCKET=true
export RCLONE_S3_SECRET_ACCESS_KEY="$AWS_SECRET_ACCESS_KEY" RCLONE_S3_REGION=us-east-1 RCLONE_S3_FORCE_PATH_STYLE=true
unset AWS_CA_BUNDLE AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3
rc() { rclone --no-check-certificate --retries 1 --low-level-retries 1 --contimeout 5s --timeout 10s --s3-chunk-size 5Mi --s3-upload-cutoff 5Mi "$@" > /dev/null 2> err || echo "{\"step\": \"$*\", \"ok\": false, \"said\": \"$(tail -1 err | tr -d '\"')\"}"; }
for kind in "provider=Other" "provider=Minio" "provider=Other,v2_auth=true"; do
  at=":s3,$kind:$BUCKET/in"
  rc copyto small.bin "$at/a.txt"
  rc copyto small.bin "$at/a b+c é.txt"
  rc copyto big.bin "$at/big.bin"
  rc rcat "$at/piped" < small.bin
  rc --metadata --header-upload 'Content-Type: text/css' copyto small.bin "$at/typed"
  rc cat "$at/a.txt"
  rc cat --offset 3 --count 5 "$at/a.txt"
  rc lsf -R "$at"
  rc moveto "$at/a.txt" "$at/moved.txt"
  rc touch "$at/touched"
  url=$(rclone --no-check-certificate link "$at/moved.txt" 2> /dev/null)
  [[ "${url:-}" == *Signature=* ]] && curl -sSk -o /dev/null "$url"
  rc delete "$at"
done
