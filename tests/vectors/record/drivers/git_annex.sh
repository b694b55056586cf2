# git-annex, on Haskell's aws library, which signs the host without its port.
set -u
export HOME="$PWD" GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=user.name GIT_CONFIG_VALUE_0=r GIT_CONFIG_KEY_1=user.email \
  GIT_CONFIG_VALUE_1=r@example.org GIT_CONFIG_KEY_2=annex.security.allowed-ip-addresses GIT_CONFIG_VALUE_2=all
ga() { git annex "$@" > /dev/null 2> ../err || { echo "{\"step\": \"$*\", \"ok\": false}"; tail -2 ../err >&2; }; }
rm -rf annex && git init -q annex && cd annex || exit 1
ga init here
cp ../small.bin ../big.bin .
ga add .
for version in v4 v2; do
  ga initremote "s3$version" type=S3 encryption=none host=127.0.0.1 port="$PORT" protocol=http requeststyle=path \
    bucket="$BUCKET" fileprefix="in/$version/" signature="$version" partsize=6MiB
  ga copy --to "s3$version"
  ga fsck --from "s3$version" small.bin
  ga get --from "s3$version" small.bin
  ga drop --force --from "s3$version"
done
