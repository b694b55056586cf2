# Net::Amazon::S3, of Perl.
use strict; use warnings; use utf8;
use Net::Amazon::S3; use Net::Amazon::S3::Vendor::Generic; use Net::Amazon::S3::Authorization::Basic;
use LWP::UserAgent;
my $signature = 'Net::Amazon::S3::Signature::V';
for my $version (4, 2) {
  eval {
    my $ua = LWP::UserAgent->new(ssl_opts => { verify_hostname => 0, SSL_verify_mode => 0 });
    my $vendor = Net::Amazon::S3::Vendor::Generic->new(
      host => "127.0.0.1:$ENV{PORT}", use_https => $ENV{OVER} eq 'https' ? 1 : 0, use_virtual_host => 0,
      authorization_method => "$signature$version", default_region => 'us-east-1',
    );
    my $s3 = Net::Amazon::S3->new(
      authorization_context => Net::Amazon::S3::Authorization::Basic->new(
        aws_access_key_id => $ENV{AWS_ACCESS_KEY_ID}, aws_secret_access_key => $ENV{AWS_SECRET_ACCESS_KEY}),
      vendor => $vendor, retry => 0,
    );
    $s3->ua($ua) if $s3->can('ua');
    my $bucket = $s3->bucket($ENV{BUCKET});
    $bucket->add_key('in/a.txt', 'hello', { content_type => 'text/plain', 'x-amz-meta-under_score' => '1' });
    $bucket->add_key('in/a b+c', 'hello'); $bucket->add_key('in/ünï', 'hello');
    $bucket->add_key_filename('in/file', 'small.bin', { content_type => 'a/b' });
    $bucket->get_key('in/a.txt'); $bucket->head_key('in/a.txt');
    $bucket->list({ prefix => 'in/', delimiter => '/' }); $bucket->list_all({ prefix => 'in/' });
    $bucket->copy_key('in/copy', "/$ENV{BUCKET}/in/a.txt");
    $bucket->delete_multi_object('in/copy', 'in/b c') if $bucket->can('delete_multi_object');
    $bucket->delete_key('in/a.txt'); $s3->buckets;
    my $url = $bucket->query_string_authentication_uri('in/file', time + 600); $ua->get($url);
    1;
  } or print "{\"step\": \"v$version\", \"ok\": false, \"said\": \"" . ($@ =~ s/["\n]/ /gr) . "\"}\n";
}
