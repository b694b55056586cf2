# davix, the grid's HTTP client, in C++.
set -u
[ "$OVER" = https ] && scheme=s3s || scheme=s3
dv() { "$@" > /dev/null 2> err || { echo "{\"step\": \"$*\", \"ok\": false}"; tail -2 err >&2; }; }
keys="--s3accesskey $AWS_ACCESS_KEY_ID --s3secretkey $AWS_SECRET_ACCESS_KEY --s3alternate -k"
at="$scheme://127.0.0.1:$PORT/$BUCKET"
for region in "" "--s3region us-east-1"; do
  dv davix-put $keys $region small.bin "$at/in/a.txt"
  dv davix-put $keys $region small.bin "$at/in/a%20b%2Bc"
  dv davix-get $keys $region "$at/in/a.txt" back
  dv davix-ls $keys $region "$at/in/"
  dv davix-ls $keys $region -l --s3-listing flat "$at/in/"
  dv davix-rm $keys $region "$at/in/a.txt"
  dv davix-http $keys $region -r 0-9 "$at/in/a%20b%2Bc"
done
