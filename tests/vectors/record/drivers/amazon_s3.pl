# Amazon::S3, the other client of Perl.
use strict; use warnings;
use Amazon::S3; 
eval {
  my $s3 = Amazon::S3->new({ aws_access_key_id => $ENV{AWS_ACCESS_KEY_ID}, aws_secret_access_key => $ENV{AWS_SECRET_ACCESS_KEY},
    host => "127.0.0.1:$ENV{PORT}", secure => $ENV{OVER} eq 'https' ? 1 : 0, dns_bucket_names => 0, region => 'us-east-1', retry => 0 });
  $s3->ua->ssl_opts(verify_hostname => 0, SSL_verify_mode => 0);
  my $bucket = $s3->bucket($ENV{BUCKET});
  my @steps = (
    sub { $bucket->add_key('in/a.txt', 'hello', { content_type => 'text/plain', 'x-amz-meta-under_score' => '1' }) },
    sub { $bucket->add_key('in/a b+c', 'hello') }, sub { $bucket->add_key_filename('in/file', 'small.bin', { content_type => 'a/b' }) },
    sub { $bucket->get_key('in/a.txt') }, sub { $bucket->head_key('in/a.txt') },
    sub { $bucket->list({ prefix => 'in/', delimiter => '/' }) }, sub { $bucket->list_v2({ prefix => 'in/' }) },
    sub { $bucket->copy_object(key => 'in/copy', source => 'in/a.txt') },
    sub { my $id = $bucket->initiate_multipart_upload('in/parts'); my $data = 'x' x (5 * 1024 * 1024);
          my $tag = $bucket->upload_part_of_multipart_upload('in/parts', $id, 1, $data, length $data);
          $bucket->complete_multipart_upload('in/parts', $id, { 1 => $tag }) },
    sub { $bucket->delete_key('in/a.txt') }, sub { $s3->buckets },
  );
  for my $n (0 .. $#steps) { eval { $steps[$n]->(); 1 } or print "{\"step\": \"$n\", \"ok\": false, \"said\": \"" . ($@ =~ s/["\n]/ /gr) . "\"}\n" }
  1;
} or print "{\"step\": \"all\", \"ok\": false, \"said\": \"" . ($@ =~ s/["\n]/ /gr) . "\"}\n";
