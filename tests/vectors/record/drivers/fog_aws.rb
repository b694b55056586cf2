# fog-aws, in both signature versions.
require 'fog/aws'
require 'json'
Excon.defaults[:ssl_verify_peer] = false
[4, 2].each do |version|
  store = Fog::Storage.new(
    provider: 'AWS', aws_access_key_id: ENV['AWS_ACCESS_KEY_ID'], aws_secret_access_key: ENV['AWS_SECRET_ACCESS_KEY'],
    endpoint: ENV['ENDPOINT'], path_style: true, region: 'us-east-1', aws_signature_version: version
  )
  bucket = ENV['BUCKET']
  steps = {
    put: -> { store.put_object(bucket, 'in/a.txt', 'hello', 'Content-Type' => 'text/plain', 'x-amz-meta-under_score' => '1') },
    odd: -> { store.put_object(bucket, 'in/a b+c ünï', 'x') },
    file: -> { File.open('small.bin') { |file| store.put_object(bucket, 'in/file', file) } },
    get: -> { store.get_object(bucket, 'in/a.txt', 'Range' => 'bytes=0-3') },
    head: -> { store.head_object(bucket, 'in/a.txt') },
    list: -> { store.get_bucket(bucket, 'prefix' => 'in/', 'delimiter' => '/') },
    copy: -> { store.copy_object(bucket, 'in/a.txt', bucket, 'in/copy') },
    batch: -> { store.delete_multiple_objects(bucket, ['in/copy', 'in/b c']) },
    parts: lambda do
      id = store.initiate_multipart_upload(bucket, 'in/parts').body['UploadId']
      tag = store.upload_part(bucket, 'in/parts', id, 1, 'part').headers['ETag']
      store.complete_multipart_upload(bucket, 'in/parts', id, [tag])
    end,
    delete: -> { store.delete_object(bucket, 'in/a.txt') },
  }
  steps.each do |step, take|
    take.call
  rescue StandardError => e
    puts({ step: "v#{version} #{step}", ok: false, said: e.message[0, 300] }.to_json)
  end
end
