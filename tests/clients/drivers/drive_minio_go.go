// minio-go, the client that restic, Loki and many others are built on, configured by the same environment variables.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"strconv"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const unicodeName = "ünïcode/日本 語 + & ='🎉.bin"

var (
	ctx    = context.Background()
	bucket = os.Getenv("BUCKET")
	prefix = os.Getenv("PREFIX")
	work   = os.Getenv("WORK")
	client *minio.Client
	small  []byte
)

func transport() *http.Transport {
	pool := x509.NewCertPool()
	if text, err := os.ReadFile(os.Getenv("AWS_CA_BUNDLE")); err == nil {
		pool.AppendCertsFromPEM(text)
	}
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableCompression: true}
}

func write(key string, data []byte) error {
	_, err := client.PutObject(ctx, bucket, key, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{})
	return err
}

func read(key string, options minio.GetObjectOptions) ([]byte, error) {
	object, err := client.GetObject(ctx, bucket, key, options)
	if err != nil {
		return nil, err
	}
	defer object.Close()
	return io.ReadAll(object)
}

func same(found, wanted []byte, err error) error {
	if err == nil && !bytes.Equal(found, wanted) {
		return fmt.Errorf("%d other bytes", len(found))
	}
	return err
}

func put() error { return write(prefix+"put.bin", small) }

func get() error {
	found, err := read(prefix+"put.bin", minio.GetObjectOptions{})
	return same(found, small, err)
}

func ranged() error {
	options := minio.GetObjectOptions{}
	if err := options.SetRange(10, 19); err != nil {
		return err
	}
	found, err := read(prefix+"put.bin", options)
	return same(found, small[10:20], err)
}

func listed() error {
	count, _ := strconv.Atoi(os.Getenv("COUNT"))
	names := map[string]bool{}
	options := minio.ListObjectsOptions{Prefix: os.Getenv("MANY"), Recursive: true}
	for entry := range client.ListObjects(ctx, bucket, options) {
		if entry.Err != nil {
			return entry.Err
		}
		names[entry.Key] = true
	}
	if len(names) != count {
		return fmt.Errorf("%d names", len(names))
	}
	return nil
}

func digest(path string) ([32]byte, error) {
	data, err := os.ReadFile(path)
	return sha256.Sum256(data), err
}

func multipart() error {
	options := minio.PutObjectOptions{PartSize: 8 << 20}
	if _, err := client.FPutObject(ctx, bucket, prefix+"big.bin", work+"/big.bin", options); err != nil {
		return err
	}
	if err := client.FGetObject(ctx, bucket, prefix+"big.bin", work+"/back.bin", minio.GetObjectOptions{}); err != nil {
		return err
	}
	wanted, err := digest(work + "/big.bin")
	if err != nil {
		return err
	}
	found, err := digest(work + "/back.bin")
	if err == nil && found != wanted {
		return errors.New("other bytes came back")
	}
	return err
}

func copied() error {
	source := minio.CopySrcOptions{Bucket: bucket, Object: prefix + "put.bin"}
	_, err := client.CopyObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: prefix + "copy.bin"}, source)
	return err
}

func batch() error {
	names := make(chan minio.ObjectInfo, 3)
	for number := 0; number < 3; number++ {
		key := fmt.Sprintf("%sbatch/%d", prefix, number)
		if err := write(key, []byte("x")); err != nil {
			return err
		}
		names <- minio.ObjectInfo{Key: key}
	}
	close(names)
	for failed := range client.RemoveObjects(ctx, bucket, names, minio.RemoveObjectsOptions{}) {
		return failed.Err
	}
	return nil
}

func unicode() error {
	if err := write(prefix+unicodeName, small); err != nil {
		return err
	}
	found, err := read(prefix+unicodeName, minio.GetObjectOptions{})
	if err = same(found, small, err); err != nil {
		return err
	}
	for entry := range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix + "ünï", Recursive: true}) {
		if entry.Err != nil || entry.Key != prefix+unicodeName {
			return fmt.Errorf("listed %q: %v", entry.Key, entry.Err)
		}
	}
	return nil
}

func say(line map[string]interface{}) {
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}

func version() string {
	if told := os.Getenv("MINIO_GO_VERSION"); told != "" {
		return told
	}
	if info, ok := debug.ReadBuildInfo(); ok && len(info.Deps) > 0 {
		return info.Deps[0].Version
	}
	return "?"
}

func main() {
	endpoint, err := url.Parse(os.Getenv("AWS_ENDPOINT_URL_S3"))
	if err != nil {
		panic(err)
	}
	keys := credentials.NewStaticV4(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), "")
	options := &minio.Options{Creds: keys, Secure: endpoint.Scheme == "https", Transport: transport()}
	if client, err = minio.New(endpoint.Host, options); err != nil {
		panic(err)
	}
	if small, err = os.ReadFile(work + "/small.bin"); err != nil {
		panic(err)
	}
	say(map[string]interface{}{"version": version()})
	for _, step := range []struct {
		name string
		take func() error
	}{
		{"put", put}, {"get", get}, {"range", ranged}, {"list", listed},
		{"multipart", multipart}, {"copy", copied}, {"batch delete", batch}, {"unicode", unicode},
	} {
		said := ""
		err := step.take()
		if err != nil {
			said = err.Error()
		}
		say(map[string]interface{}{"step": step.name, "ok": err == nil, "said": said})
	}
}
