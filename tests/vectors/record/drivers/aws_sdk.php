<?php // The AWS SDK for PHP 3 over Guzzle, as a bundle for WordPress ships it.
require glob(getenv('PLACE') . '/node_modules/*/wordpress-assets/*/vendor/autoload.php')[0];
use Aws\S3\S3Client;
use GuzzleHttp\Client;

[$bucket, $port, $over] = [getenv('BUCKET'), getenv('PORT'), getenv('OVER')];
$pair = ['key' => getenv('AWS_ACCESS_KEY_ID'), 'secret' => getenv('AWS_SECRET_ACCESS_KEY')];
$client = fn (string $host, bool $path, array $more = []) => new S3Client([
  'region' => 'us-east-1', 'version' => 'latest', 'endpoint' => "$over://$host:$port", 'use_path_style_endpoint' => $path,
  'credentials' => $pair, 'retries' => 0, 'http' => ['verify' => getenv('CA_FILE')]] + $more);
$web = new Client(['verify' => getenv('CA_FILE')]);

function objects(S3Client $s3, string $bucket, string $at): array {
  $odd = $at . 'a b+c&d=e';
  $put = fn (string $key, $body, array $more = []) => $s3->putObject(['Bucket' => $bucket, 'Key' => $key, 'Body' => $body] + $more);
  return [
    'put' => fn () => $put($at . 'a.txt', 'hello'),
    'typed' => fn () => $put($odd, 'hello', ['ContentType' => 'text/css; charset=utf-8', 'Metadata' => ['under_score' => '1', 'dot.ted' => 'a  b']]),
    'file' => fn () => $s3->putObject(['Bucket' => $bucket, 'Key' => $at . 'file', 'SourceFile' => 'small.bin']),
    'checked' => fn () => $put($at . 'sha', 'x', ['ChecksumAlgorithm' => 'SHA256']),
    'unicode' => fn () => $put($at . "ünï's (1)*~.txt", 'x'),
    'empty' => fn () => $put($at . 'folder/', ''),
    'get' => fn () => $s3->getObject(['Bucket' => $bucket, 'Key' => $at . 'a.txt']),
    'range' => fn () => $s3->getObject(['Bucket' => $bucket, 'Key' => $odd, 'Range' => 'bytes=0-1']),
    'head' => fn () => $s3->headObject(['Bucket' => $bucket, 'Key' => $odd]),
    'list' => fn () => $s3->listObjects(['Bucket' => $bucket, 'Prefix' => $at . 'a b+', 'Delimiter' => '/']),
    'list2' => fn () => $s3->listObjectsV2(['Bucket' => $bucket, 'Prefix' => $at, 'MaxKeys' => 5]),
    'copy' => fn () => $s3->copyObject(['Bucket' => $bucket, 'Key' => $at . 'copy', 'CopySource' => S3Client::encodeKey("$bucket/$odd")]),
    'parts' => function () use ($s3, $bucket, $at) {
      $place = ['Bucket' => $bucket, 'Key' => $at . 'parts'];
      $place['UploadId'] = $s3->createMultipartUpload($place)['UploadId'];
      $tag = $s3->uploadPart($place + ['PartNumber' => 1, 'Body' => 'part'])['ETag'];
      $s3->uploadPartCopy($place + ['PartNumber' => 2, 'CopySource' => "$bucket/{$at}a.txt", 'CopySourceRange' => 'bytes=0-2']);
      $s3->listParts($place);
      $s3->completeMultipartUpload($place + ['MultipartUpload' => ['Parts' => [['PartNumber' => 1, 'ETag' => $tag]]]]);
    },
    'delete many' => fn () => $s3->deleteObjects(['Bucket' => $bucket, 'Delete' => ['Objects' => [['Key' => $at . 'copy'], ['Key' => $at . 'ä & b']]]]),
    'delete' => fn () => $s3->deleteObject(['Bucket' => $bucket, 'Key' => $at . 'a.txt']),
    'buckets' => fn () => $s3->listBuckets(),
  ];
}

function urls(S3Client $s3, Client $web, string $bucket, string $at): array {
  $sign = fn (string $operation, array $more) => $s3->createPresignedRequest($s3->getCommand($operation, ['Bucket' => $bucket] + $more), '+10 minutes');
  return [
    'url get' => fn () => $web->get((string) $sign('GetObject', ['Key' => $at . 'a b+c&d=e', 'ResponseContentType' => 'a/b; c=d'])->getUri()),
    'url put' => fn () => $web->put((string) $sign('PutObject', ['Key' => 'in/u'])->getUri(), ['body' => 'put', 'headers' => ['Content-Type' => 'a/b']]),
    'url sent' => fn () => $web->send($sign('PutObject', ['Key' => 'in/m', 'Body' => 'put', 'Metadata' => ['a_b' => 'c'], 'ContentType' => 'a/b'])),
    'form' => function () use ($s3, $web, $bucket) {
      $form = new Aws\S3\PostObjectV4($s3, $bucket, ['key' => 'in/posted', 'Content-Type' => 'a/b'], [['bucket' => $bucket], ['starts-with', '$key', 'in/'], ['eq', '$Content-Type', 'a/b']], '+10 minutes');
      $fields = array_map(fn ($name, $value) => ['name' => $name, 'contents' => $value], array_keys($form->getFormInputs()), array_values($form->getFormInputs()));
      $web->post($form->getFormAttributes()['action'], ['multipart' => [...$fields, ['name' => 'file', 'contents' => 'posted', 'filename' => 'a.txt']]]);
    },
  ];
}

$near = $client('127.0.0.1', true);
$named = $client('localhost', false);
$unasked = $client('127.0.0.1', true, ['request_checksum_calculation' => 'when_required', 'response_checksum_validation' => 'when_required']);
$groups = [
  'path' => objects($near, $bucket, 'in/path/') + urls($near, $web, $bucket, 'in/path/'),
  'host' => objects($named, $bucket, 'in/host/') + urls($named, $web, $bucket, 'in/host/'),
  'unasked' => objects($unasked, $bucket, 'in/unasked/'),
  'big' => ['parts' => fn () => (new Aws\S3\MultipartUploader($near, 'big.bin', ['bucket' => $bucket, 'key' => 'in/big', 'part_size' => 5 << 20]))->upload(),
    'wrapped' => function () use ($near, $bucket) {
      $near->registerStreamWrapper();
      file_put_contents("s3://$bucket/in/wrapped", 'wrapped');
      copy("s3://$bucket/in/wrapped", "s3://$bucket/in/again") && unlink("s3://$bucket/in/again");
    }],
];
foreach ($groups as $group => $steps) {
  foreach ($steps as $name => $step) {
    try { $step(); } catch (Throwable $failure) {
      echo json_encode(['step' => "$group $name", 'ok' => false, 'said' => substr($failure->getMessage(), 0, 300)], JSON_INVALID_UTF8_SUBSTITUTE), "\n";
    }
  }
}
