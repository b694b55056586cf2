# The AWS SDK for Ruby 3.
require 'aws-sdk-s3'
require 'json'
require 'net/http'
client = Aws::S3::Client.new(
  endpoint: ENV['ENDPOINT'], region: 'us-east-1', force_path_style: true, ssl_verify_peer: false, retry_limit: 0,
  access_key_id: ENV['AWS_ACCESS_KEY_ID'], secret_access_key: ENV['AWS_SECRET_ACCESS_KEY']
)
bucket = ENV['BUCKET']
fetch = lambda do |kind, url, body = nil, headers = {}|
  uri = URI(url)
  Net::HTTP.start(uri.host, uri.port, use_ssl: uri.scheme == 'https', verify_mode: OpenSSL::SSL::VERIFY_NONE) do |web|
    asked = kind.new(uri, headers)
    asked.body = body
    web.request(asked)
  end
end
signer = Aws::S3::Presigner.new(client: client)
steps = {
  put: -> { client.put_object(bucket: bucket, key: 'in/a.txt', body: 'hello') },
  meta: -> { client.put_object(bucket: bucket, key: 'in/a b+c', body: 'x', content_type: 'text/css', metadata: { 'under_score' => '1', 'dot.ted' => 'two  blanks' }) },
  odd: -> { client.put_object(bucket: bucket, key: "in/ünï's (1)*.txt", body: 'x') },
  stream: -> { File.open('small.bin') { |file| client.put_object(bucket: bucket, key: 'in/file', body: file) } },
  checked: -> { client.put_object(bucket: bucket, key: 'in/sha', body: 'x', checksum_algorithm: 'SHA256') },
  get: -> { client.get_object(bucket: bucket, key: 'in/a.txt', range: 'bytes=0-3') },
  head: -> { client.head_object(bucket: bucket, key: 'in/a b+c') },
  list: -> { client.list_objects_v2(bucket: bucket, prefix: 'in/a b+', delimiter: '/') },
  list1: -> { client.list_objects(bucket: bucket, prefix: 'in/') },
  copy: -> { client.copy_object(bucket: bucket, key: 'in/copy', copy_source: "#{bucket}/in/a.txt") },
  upload: -> { Aws::S3::Object.new(bucket, 'in/big', client: client).upload_file('big.bin', multipart_threshold: 5 << 20) },
  piped: -> { Aws::S3::Object.new(bucket, 'in/piped', client: client).upload_stream { |stream| stream << 'piped' } },
  batch: -> { client.delete_objects(bucket: bucket, delete: { objects: [{ key: 'in/copy' }, { key: 'in/ä & b' }] }) },
  get_url: -> { fetch.(Net::HTTP::Get, signer.presigned_url(:get_object, bucket: bucket, key: 'in/a b+c')) },
  put_url: -> { fetch.(Net::HTTP::Put, signer.presigned_url(:put_object, bucket: bucket, key: 'in/u'), 'x', 'content-type' => 'a/b') },
  delete: -> { client.delete_object(bucket: bucket, key: 'in/a.txt') },
}
steps.each do |step, take|
  take.call
rescue StandardError => e
  puts({ step: step, ok: false, said: e.message[0, 300] }.to_json)
end
