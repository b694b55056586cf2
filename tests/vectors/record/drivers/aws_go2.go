// The AWS SDK for Go 2.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func main() {
	ctx := context.Background()
	bucket := aws.String(os.Getenv("BUCKET"))
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	client := s3.New(s3.Options{
		Region: "us-east-1", UsePathStyle: true, HTTPClient: web,
		EndpointResolver: s3.EndpointResolverFromURL(os.Getenv("ENDPOINT")),
		Credentials:      credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
		RetryMaxAttempts: 1,
	})
	tell := func(step string, err error) {
		if err != nil {
			fmt.Printf("{\"step\": %q, \"ok\": false, \"said\": %q}\n", step, err.Error())
		}
	}
	key := func(name string) *string { return aws.String("in/" + name) }
	for _, name := range []string{"a.txt", "a b+c é.txt", "it's (1)*!.txt"} {
		_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key(name), Body: strings.NewReader("hello")})
		tell(name, err)
	}
	_, err := client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: bucket, Key: key("meta"), Body: strings.NewReader("x"), ContentType: aws.String("text/css"),
		Metadata: map[string]string{"under_score": "1", "dot.ted": "two  blanks"},
	})
	tell("meta", err)
	for _, algorithm := range []types.ChecksumAlgorithm{types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmSha256} {
		_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key(string(algorithm)), Body: strings.NewReader("checked"), ChecksumAlgorithm: algorithm})
		tell(string(algorithm), err)
	}
	_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key("a.txt"), Range: aws.String("bytes=0-3")})
	tell("range", err)
	_, err = client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key("a b+c é.txt")})
	tell("head", err)
	_, err = client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("in/a b"), Delimiter: aws.String("/")})
	tell("list", err)
	_, err = client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: key("copy"), CopySource: aws.String(*bucket + "/in/a.txt")})
	tell("copy", err)
	_, err = manager.NewUploader(client).Upload(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key("big"), Body: bytes.NewBuffer(make([]byte, 6<<20))})
	tell("upload", err)
	_, err = client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: key("copy")}, {Key: key("ä & b")}}}})
	tell("batch", err)
	signer := s3.NewPresignClient(client)
	if made, err := signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key("a b+c é.txt")}); err == nil {
		if answer, err := web.Get(made.URL); err == nil {
			answer.Body.Close()
		}
	}
	if made, err := signer.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key("u"), Body: strings.NewReader("x")}); err == nil {
		request, _ := http.NewRequest("PUT", made.URL, strings.NewReader("x"))
		request.Header = made.SignedHeader
		if answer, err := web.Do(request); err == nil {
			answer.Body.Close()
		}
	}
	_, err = client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key("a.txt")})
	tell("delete", err)
}
