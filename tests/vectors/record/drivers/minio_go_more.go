// minio-go's other ways: streams of unknown length, metadata, both signature versions, URLs and forms.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/tags"
)

var (
	ctx    = context.Background()
	bucket = os.Getenv("BUCKET")
	web    = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableCompression: true}
)

func ask(method string, address fmt.Stringer, body string) {
	request, _ := http.NewRequest(method, address.String(), bytes.NewBufferString(body))
	if answer, err := web.RoundTrip(request); err == nil {
		answer.Body.Close()
	}
}

func tell(step string, err error) {
	if err != nil {
		fmt.Printf("{\"step\": %q, \"ok\": false, \"said\": %q}\n", step, err.Error())
	}
}

func everything(keys *credentials.Credentials) {
	endpoint, _ := url.Parse(os.Getenv("ENDPOINT"))
	client, err := minio.New(endpoint.Host, &minio.Options{Creds: keys, Secure: endpoint.Scheme == "https", Transport: web})
	tell("new", err)
	put := func(key string, body io.Reader, size int64, options minio.PutObjectOptions) {
		_, err := client.PutObject(ctx, bucket, "in/"+key, body, size, options)
		tell(key, err)
	}
	text := func() io.Reader { return bytes.NewBufferString("hello") }
	put("a.txt", text(), 5, minio.PutObjectOptions{})
	put("empty", bytes.NewReader(nil), 0, minio.PutObjectOptions{})
	put("a b+c é.txt", text(), 5, minio.PutObjectOptions{ContentType: "text/plain; charset=utf-8"})
	meta := map[string]string{"under_score": "1", "dot.ted": "two  blanks", "Cache-Control": "no-cache"}
	put("meta", text(), 5, minio.PutObjectOptions{UserMetadata: meta, UserTags: map[string]string{"a": "b c"}})
	put("md5", text(), 5, minio.PutObjectOptions{SendContentMd5: true})
	put("unsigned", text(), 5, minio.PutObjectOptions{DisableContentSha256: true})
	put("unknown", text(), -1, minio.PutObjectOptions{PartSize: 5 << 20})
	put("big", bytes.NewReader(make([]byte, 6<<20)), 6<<20, minio.PutObjectOptions{PartSize: 5 << 20})
	put("bigmd5", bytes.NewReader(make([]byte, 6<<20)), 6<<20, minio.PutObjectOptions{PartSize: 5 << 20, SendContentMd5: true})
	_, err = client.StatObject(ctx, bucket, "in/a b+c é.txt", minio.StatObjectOptions{})
	tell("stat", err)
	if object, err := client.GetObject(ctx, bucket, "in/big", minio.GetObjectOptions{}); err == nil {
		_, _ = object.Seek(10, io.SeekStart)
		_, _ = io.CopyN(io.Discard, object, 10)
		object.Close()
	}
	for range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Prefix: "in/", UseV1: true}) {
	}
	for range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Prefix: "in/", WithMetadata: true}) {
	}
	for range client.ListIncompleteUploads(ctx, bucket, "in/", true) {
	}
	_, err = client.ComposeObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "in/joined"},
		minio.CopySrcOptions{Bucket: bucket, Object: "in/big"}, minio.CopySrcOptions{Bucket: bucket, Object: "in/a.txt"})
	tell("compose", err)
	named, _ := tags.NewTags(map[string]string{"k": "v"}, true)
	tell("tags", client.PutObjectTagging(ctx, bucket, "in/a.txt", named, minio.PutObjectTaggingOptions{}))
	_, err = client.GetObjectTagging(ctx, bucket, "in/a.txt", minio.GetObjectTaggingOptions{})
	tell("tagging", err)
	if address, err := client.PresignedGetObject(ctx, bucket, "in/a b+c é.txt", time.Hour, url.Values{"response-content-type": {"a/b"}}); err == nil {
		ask("GET", address, "")
	}
	if address, err := client.PresignedPutObject(ctx, bucket, "in/u", time.Hour); err == nil {
		ask("PUT", address, "x")
	}
	if address, err := client.PresignedHeadObject(ctx, bucket, "in/a.txt", time.Hour, nil); err == nil {
		ask("HEAD", address, "")
	}
	tell("remove", client.RemoveObject(ctx, bucket, "in/a.txt", minio.RemoveObjectOptions{}))
	_, err = client.BucketExists(ctx, bucket)
	tell("exists", err)
	_, err = client.ListBuckets(ctx)
	tell("buckets", err)
}

func main() {
	key, secret := os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	everything(credentials.NewStaticV4(key, secret, ""))
	everything(credentials.NewStaticV2(key, secret, ""))
}
