// The AWS SDK for Go 1.
package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/s3"
	"github.com/aws/aws-sdk-go/service/s3/s3manager"
)

func main() {
	os.Unsetenv("AWS_CA_BUNDLE")
	bucket := aws.String(os.Getenv("BUCKET"))
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	made := session.Must(session.NewSession(&aws.Config{
		Endpoint: aws.String(os.Getenv("ENDPOINT")), Region: aws.String("us-east-1"),
		S3ForcePathStyle: aws.Bool(true), HTTPClient: web, MaxRetries: aws.Int(0),
	}))
	client := s3.New(made)
	tell := func(step string, err error) {
		if err != nil {
			fmt.Printf("{\"step\": %q, \"ok\": false, \"said\": %q}\n", step, err.Error())
		}
	}
	key := func(name string) *string { return aws.String("in/" + name) }
	for _, name := range []string{"a.txt", "a b+c é.txt", "it's (1)*!.txt"} {
		_, err := client.PutObject(&s3.PutObjectInput{Bucket: bucket, Key: key(name), Body: strings.NewReader("hello")})
		tell(name, err)
	}
	_, err := client.PutObject(&s3.PutObjectInput{
		Bucket: bucket, Key: key("meta"), Body: strings.NewReader("x"), ContentType: aws.String("text/css"),
		Metadata: map[string]*string{"under_score": aws.String("1"), "dot.ted": aws.String("two  blanks")},
		CacheControl: aws.String("no-cache"), ChecksumAlgorithm: aws.String("SHA256"),
	})
	tell("meta", err)
	_, err = client.GetObject(&s3.GetObjectInput{Bucket: bucket, Key: key("a.txt"), Range: aws.String("bytes=0-3")})
	tell("range", err)
	_, err = client.HeadObject(&s3.HeadObjectInput{Bucket: bucket, Key: key("a b+c é.txt")})
	tell("head", err)
	_, err = client.ListObjectsV2(&s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("in/a b"), Delimiter: aws.String("/")})
	tell("list", err)
	_, err = client.ListObjects(&s3.ListObjectsInput{Bucket: bucket, Prefix: aws.String("in/")})
	tell("list1", err)
	_, err = client.CopyObject(&s3.CopyObjectInput{Bucket: bucket, Key: key("copy"), CopySource: aws.String(*bucket + "/in/a.txt")})
	tell("copy", err)
	_, err = s3manager.NewUploader(made).Upload(&s3manager.UploadInput{Bucket: bucket, Key: key("big"), Body: bytes.NewBuffer(make([]byte, 6<<20))})
	tell("upload", err)
	_, err = client.DeleteObjects(&s3.DeleteObjectsInput{Bucket: bucket, Delete: &s3.Delete{Objects: []*s3.ObjectIdentifier{{Key: key("copy")}, {Key: key("ä & b")}}}})
	tell("batch", err)
	ask := func(method, address string, err error) {
		tell("presign", err)
		request, _ := http.NewRequest(method, address, strings.NewReader("x"))
		if method == "GET" {
			request.Body, request.ContentLength = http.NoBody, 0
		}
		if answer, err := web.Do(request); err == nil {
			answer.Body.Close()
		}
	}
	get, _ := client.GetObjectRequest(&s3.GetObjectInput{Bucket: bucket, Key: key("a b+c é.txt")})
	address, err := get.Presign(time.Hour)
	ask("GET", address, err)
	put, _ := client.PutObjectRequest(&s3.PutObjectInput{Bucket: bucket, Key: key("u")})
	address, err = put.Presign(time.Hour)
	ask("PUT", address, err)
	_, err = client.DeleteObject(&s3.DeleteObjectInput{Bucket: bucket, Key: key("a.txt")})
	tell("delete", err)
}
