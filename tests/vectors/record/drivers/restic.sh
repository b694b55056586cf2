# restic, a whole program on minio-go.
set -u
export RESTIC_PASSWORD=made-up RESTIC_REPOSITORY="s3:$ENDPOINT/$BUCKET/in" RESTIC_CACERT="$CA_FILE"
unset AWS_CA_BUNDLE
rs() { restic --no-cache "$@" > /dev/null 2> err || echo "{\"step\": \"$1\", \"ok\": false, \"said\": \"$(tail -1 err | tr -d '"')\"}"; }
rs init
rs backup small.bin
rs snapshots
rs restore latest --target back
rs check
rs forget --keep-last 1 --prune
