# Litestream, which replicates a database: the Go SDK 2 of today.
set -u
unset AWS_CA_BUNDLE
python3 -c "import sqlite3; c = sqlite3.connect('a.db'); c.execute('pragma journal_mode=wal'); c.execute('create table t (x)'); c.execute('insert into t values (1)'); c.commit()"
cat > conf.yml <<CONF
dbs:
  - path: $PWD/a.db
    replica: {type: s3, bucket: $BUCKET, path: in/db, endpoint: "$ENDPOINT", region: us-east-1, force-path-style: true, skip-verify: true, sync-interval: 200ms}
CONF
timeout 6 litestream replicate -config conf.yml > log 2>&1
litestream restore -config conf.yml -o back.db "$PWD/a.db" >> log 2>&1 || { echo "{\"step\": \"restore\", \"ok\": false, \"said\": \"$(tail -1 log | tr -d '"')\"}"; }
