// The AWS SDK for Java 2: its blocking client, its asynchronous one and, where the bundle has it, the one on AWS's C runtime.
// Over HTTP an early version sends the SHA-256 of nothing for any body, which S3 refuses as well: it is asked for CRC32.
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.*;
import javax.net.ssl.*;
import software.amazon.awssdk.auth.credentials.*;
import software.amazon.awssdk.core.async.*;
import software.amazon.awssdk.core.checksums.*;
import software.amazon.awssdk.core.sync.*;
import software.amazon.awssdk.http.*;
import software.amazon.awssdk.http.async.SdkAsyncHttpService;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.*;
import software.amazon.awssdk.services.s3.model.*;
import software.amazon.awssdk.services.s3.presigner.*;
import software.amazon.awssdk.utils.AttributeMap;

public class AwsSdk2 {
  interface Step { void take() throws Exception; }

  static final String BUCKET = System.getenv("BUCKET"), PORT = System.getenv("PORT"), OVER = System.getenv("OVER");
  static final AttributeMap TRUSTING = AttributeMap.builder().put(SdkHttpConfigurationOption.TRUST_ALL_CERTIFICATES, true).build();
  static final Path SMALL = Path.of("small.bin"), BIG = Path.of("big.bin");

  static final ChecksumAlgorithm SUM = System.getenv("EARLY") == null ? ChecksumAlgorithm.SHA256 : ChecksumAlgorithm.CRC32;

  static URI at(String host) { return URI.create(OVER + "://" + host + ":" + PORT); }

  static S3Client client(String host, boolean path, boolean chunked) {
    SdkHttpClient web = ServiceLoader.load(SdkHttpService.class).findFirst().get().createHttpClientBuilder().buildWithDefaults(TRUSTING);
    return S3Client.builder().httpClient(web).endpointOverride(at(host)).region(Region.US_EAST_1)
        .overrideConfiguration(o -> o.retryStrategy(r -> r.maxAttempts(1)))
        .serviceConfiguration(S3Configuration.builder().pathStyleAccessEnabled(path).chunkedEncodingEnabled(chunked).build()).build();
  }

  static void fetch(String method, SdkHttpRequest signed) throws Exception {
    HttpURLConnection asked = (HttpURLConnection) signed.getUri().toURL().openConnection();
    asked.setRequestMethod(method);
    signed.headers().forEach((name, values) -> { if (!name.equalsIgnoreCase("host")) asked.setRequestProperty(name, values.get(0)); });
    if (method.equals("PUT")) { asked.setDoOutput(true); asked.getOutputStream().write("put".getBytes()); }
    if (asked.getResponseCode() >= 300) throw new IOException("" + asked.getResponseCode());
    asked.getInputStream().close();
  }

  static void blocking(String name, S3Client s3, Map<String, Step> steps) {
    String at = "in/" + name + "/";
    Map<String, String> about = Map.of("under_score", "1", "dot.ted", "two  blanks");
    steps.put(name + " put", () -> s3.putObject(b -> b.bucket(BUCKET).key(at + "a.txt"), RequestBody.fromString("hello")));
    steps.put(name + " file", () -> s3.putObject(b -> b.bucket(BUCKET).key(at + "file"), RequestBody.fromFile(SMALL)));
    steps.put(name + " typed", () -> s3.putObject(b -> b.bucket(BUCKET).key(at + "a b+c&d=e").contentType("text/plain; charset=utf-8")
        .cacheControl("max-age=60").metadata(about), RequestBody.fromInputStream(new ByteArrayInputStream(new byte[9]), 9)));
    steps.put(name + " checked", () -> s3.putObject(b -> b.bucket(BUCKET).key(at + "sha").checksumAlgorithm(SUM), RequestBody.fromString("checked")));
    steps.put(name + " given", () -> s3.putObject(b -> b.bucket(BUCKET).key(at + "crc").checksumCRC32("NhCmhg=="), RequestBody.fromString("hello")));
    steps.put(name + " unicode", () -> s3.putObject(b -> b.bucket(BUCKET).key(at + "ünï's (1)*~.txt"), RequestBody.fromString("x")));
    steps.put(name + " empty", () -> s3.putObject(b -> b.bucket(BUCKET).key(at + "folder/"), RequestBody.empty()));
    steps.put(name + " new", () -> s3.putObject(b -> b.bucket(BUCKET).key(at + "new").ifNoneMatch("*"), RequestBody.fromString("x")));
    steps.put(name + " get", () -> s3.getObject(b -> b.bucket(BUCKET).key(at + "a.txt")).close());
    steps.put(name + " range", () -> s3.getObject(b -> b.bucket(BUCKET).key(at + "a.txt").range("bytes=0-2")).close());
    steps.put(name + " head", () -> s3.headObject(b -> b.bucket(BUCKET).key(at + "a b+c&d=e").checksumMode(ChecksumMode.ENABLED)));
    steps.put(name + " list", () -> s3.listObjects(b -> b.bucket(BUCKET).prefix(at + "a b+").delimiter("/").maxKeys(5)));
    steps.put(name + " list2", () -> s3.listObjectsV2(b -> b.bucket(BUCKET).prefix(at).encodingType("url")));
    steps.put(name + " copy", () -> s3.copyObject(b -> b.sourceBucket(BUCKET).sourceKey(at + "a b+c&d=e").destinationBucket(BUCKET).destinationKey(at + "copy")));
    steps.put(name + " parts", () -> {
      String id = s3.createMultipartUpload(b -> b.bucket(BUCKET).key(at + "parts").contentType("a/b")).uploadId();
      String tag = s3.uploadPart(b -> b.bucket(BUCKET).key(at + "parts").uploadId(id).partNumber(1), RequestBody.fromString("part")).eTag();
      s3.uploadPartCopy(b -> b.sourceBucket(BUCKET).sourceKey(at + "a.txt").destinationBucket(BUCKET).destinationKey(at + "parts").uploadId(id)
          .partNumber(2).copySourceRange("bytes=0-2"));
      s3.listParts(b -> b.bucket(BUCKET).key(at + "parts").uploadId(id));
      s3.completeMultipartUpload(b -> b.bucket(BUCKET).key(at + "parts").uploadId(id).multipartUpload(m -> m.parts(p -> p.partNumber(1).eTag(tag))));
    });
    steps.put(name + " delete many", () -> s3.deleteObjects(b -> b.bucket(BUCKET).delete(d -> d.objects(o -> o.key(at + "copy"), o -> o.key(at + "ä & b")))));
    steps.put(name + " delete", () -> s3.deleteObject(b -> b.bucket(BUCKET).key(at + "a.txt")));
  }

  static void waiting(String name, S3AsyncClient s3, Map<String, Step> steps) {
    String at = "in/" + name + "/";
    steps.put(name + " put", () -> s3.putObject(b -> b.bucket(BUCKET).key(at + "a b.txt").contentType("a/b"), AsyncRequestBody.fromString("hello")).join());
    steps.put(name + " file", () -> s3.putObject(b -> b.bucket(BUCKET).key(at + "file"), AsyncRequestBody.fromFile(SMALL)).join());
    steps.put(name + " big", () -> s3.putObject(b -> b.bucket(BUCKET).key(at + "big"), AsyncRequestBody.fromFile(BIG)).join());
    steps.put(name + " get", () -> s3.getObject(b -> b.bucket(BUCKET).key(at + "a b.txt"), AsyncResponseTransformer.toBytes()).join());
    steps.put(name + " list", () -> s3.listObjectsV2(b -> b.bucket(BUCKET).prefix(at)).join());
    steps.put(name + " copy", () -> s3.copyObject(b -> b.sourceBucket(BUCKET).sourceKey(at + "a b.txt").destinationBucket(BUCKET).destinationKey(at + "copy")).join());
    steps.put(name + " delete", () -> s3.deleteObject(b -> b.bucket(BUCKET).key(at + "copy")).join());
  }

  static void presigned(String name, String host, boolean path, Map<String, Step> steps) {
    S3Presigner signer = S3Presigner.builder().endpointOverride(at(host)).region(Region.US_EAST_1)
        .serviceConfiguration(S3Configuration.builder().pathStyleAccessEnabled(path).build()).build();
    String key = "in/chunks/a b+c&d=e";
    Duration while_ = Duration.ofMinutes(10);
    steps.put(name + " get", () -> fetch("GET", signer.presignGetObject(p -> p.signatureDuration(while_).getObjectRequest(b -> b.bucket(BUCKET).key(key))).httpRequest()));
    steps.put(name + " put", () -> fetch("PUT", signer.presignPutObject(p -> p.signatureDuration(while_).putObjectRequest(
        b -> b.bucket(BUCKET).key("in/u").contentType("a/b").metadata(Map.of("a_b", "c")))).httpRequest()));
  }

  public static void main(String[] arguments) throws Exception {
    SSLContext trusting = SSLContext.getInstance("TLS");
    trusting.init(null, new TrustManager[] {new X509TrustManager() {
      public void checkClientTrusted(X509Certificate[] chain, String kind) {}
      public void checkServerTrusted(X509Certificate[] chain, String kind) {}
      public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    }}, null);
    HttpsURLConnection.setDefaultSSLSocketFactory(trusting.getSocketFactory());
    Map<String, Step> steps = new LinkedHashMap<>();
    blocking("chunks", client("127.0.0.1", true, true), steps);
    blocking("plain", client("127.0.0.1", true, false), steps);
    blocking("host", client("localhost", false, true), steps);
    presigned("url", "127.0.0.1", true, steps);
    presigned("host url", "localhost", false, steps);
    steps.put("buckets", () -> client("127.0.0.1", true, true).listBuckets());
    steps.put("asynchronous", () -> waiting("netty", S3AsyncClient.builder().endpointOverride(at("127.0.0.1")).region(Region.US_EAST_1)
        .httpClient(ServiceLoader.load(SdkAsyncHttpService.class).findFirst().get().createAsyncHttpClientFactory().buildWithDefaults(TRUSTING))
        .forcePathStyle(true).multipartEnabled(true).build(), steps));
    if (AwsSdk2.class.getResource("/software/amazon/awssdk/crt/CRT.class") != null)
      steps.put("on C", () -> waiting("crt", S3AsyncClient.crtBuilder().endpointOverride(at("127.0.0.1")).region(Region.US_EAST_1)
          .forcePathStyle(true).minimumPartSizeInBytes(5L << 20).build(), steps));
    Set<String> taken = new HashSet<>();
    while (taken.size() < steps.size())
      for (String name : List.copyOf(steps.keySet())) {
        if (!taken.add(name)) continue;
        try {
          steps.get(name).take();
        } catch (Throwable failure) {
          String said = String.valueOf(failure).replaceAll("[\"\\\\\\n\\r]", " ");
          System.out.println("{\"step\": \"" + name + "\", \"ok\": false, \"said\": \"" + said + "\"}");
        }
      }
    System.exit(0);
  }
}
