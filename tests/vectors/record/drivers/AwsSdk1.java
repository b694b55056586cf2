// The AWS SDK for Java 1, as Hadoop, Spark and Flink used it; SigV4 and, as its early versions did, SigV2.
import com.amazonaws.ClientConfiguration;
import com.amazonaws.HttpMethod;
import com.amazonaws.auth.*;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.s3.*;
import com.amazonaws.services.s3.model.*;
import com.amazonaws.services.s3.transfer.*;
import java.io.*;
import java.net.*;
import java.security.cert.X509Certificate;
import java.util.*;
import javax.net.ssl.*;
import org.apache.http.conn.ssl.SSLConnectionSocketFactory;

public class AwsSdk1 {
  interface Step { void take() throws Exception; }

  static final String BUCKET = System.getenv("BUCKET"), PORT = System.getenv("PORT"), OVER = System.getenv("OVER");
  static SSLContext trusting;

  static AmazonS3 client(String host, String signer, boolean path, boolean chunked, boolean whole) {
    ClientConfiguration settings = new ClientConfiguration().withMaxErrorRetry(0).withSignerOverride(signer);
    settings.getApacheHttpClientConfig().setSslSocketFactory(new SSLConnectionSocketFactory(trusting, (name, session) -> true));
    AWSCredentials pair = new BasicAWSCredentials(System.getenv("AWS_ACCESS_KEY_ID"), System.getenv("AWS_SECRET_ACCESS_KEY"));
    AmazonS3ClientBuilder builder = AmazonS3ClientBuilder.standard().withClientConfiguration(settings)
        .withCredentials(new AWSStaticCredentialsProvider(pair)).withPathStyleAccessEnabled(path)
        .withEndpointConfiguration(new EndpointConfiguration(OVER + "://" + host + ":" + PORT, "us-east-1"));
    if (!chunked) builder.disableChunkedEncoding();
    return builder.withPayloadSigningEnabled(whole).build();
  }

  static void fetch(String method, URL url, String type) throws Exception {
    HttpURLConnection asked = (HttpURLConnection) url.openConnection();
    asked.setRequestMethod(method);
    if (type != null) asked.setRequestProperty("Content-Type", type);
    if (method.equals("PUT")) { asked.setDoOutput(true); asked.getOutputStream().write("put".getBytes()); }
    if (asked.getResponseCode() >= 300) throw new IOException("" + asked.getResponseCode());
    asked.getInputStream().close();
  }

  static ObjectMetadata described(long size) {
    ObjectMetadata about = new ObjectMetadata();
    about.setContentType("text/plain; charset=utf-8");
    about.setCacheControl("max-age=60");
    about.addUserMetadata("under_score", "1");
    about.addUserMetadata("dot.ted", "two  blanks");
    if (size >= 0) about.setContentLength(size);
    return about;
  }

  static void everything(String name, AmazonS3 s3, Map<String, Step> steps) {
    String at = "in/" + name + "/";
    steps.put(name + " put", () -> s3.putObject(BUCKET, at + "a.txt", "hello"));
    steps.put(name + " file", () -> s3.putObject(BUCKET, at + "file", new File("small.bin")));
    steps.put(name + " typed", () -> s3.putObject(BUCKET, at + "a b+c&d=e", new ByteArrayInputStream(new byte[9]), described(9)));
    steps.put(name + " unknown", () -> s3.putObject(BUCKET, at + "unknown", new ByteArrayInputStream(new byte[9]), described(-1)));
    steps.put(name + " unicode", () -> s3.putObject(BUCKET, at + "ünï's (1)*~.txt", "x"));
    steps.put(name + " empty", () -> s3.putObject(BUCKET, at + "folder/", new ByteArrayInputStream(new byte[0]), new ObjectMetadata()));
    steps.put(name + " get", () -> s3.getObject(BUCKET, at + "a.txt").close());
    steps.put(name + " range", () -> s3.getObject(new GetObjectRequest(BUCKET, at + "a.txt").withRange(0, 2)).close());
    steps.put(name + " head", () -> s3.getObjectMetadata(BUCKET, at + "a b+c&d=e"));
    steps.put(name + " exists", () -> s3.doesObjectExist(BUCKET, at + "nothing"));
    steps.put(name + " list", () -> s3.listObjects(new ListObjectsRequest(BUCKET, at + "a b+", null, "/", 5)));
    steps.put(name + " list2", () -> s3.listObjectsV2(new ListObjectsV2Request().withBucketName(BUCKET).withPrefix(at).withEncodingType("url")));
    steps.put(name + " copy", () -> s3.copyObject(BUCKET, at + "a b+c&d=e", BUCKET, at + "copy"));
    steps.put(name + " parts", () -> {
      String id = s3.initiateMultipartUpload(new InitiateMultipartUploadRequest(BUCKET, at + "parts", described(-1))).getUploadId();
      PartETag tag = s3.uploadPart(new UploadPartRequest().withBucketName(BUCKET).withKey(at + "parts").withUploadId(id)
          .withPartNumber(1).withInputStream(new ByteArrayInputStream(new byte[7])).withPartSize(7)).getPartETag();
      s3.listParts(new ListPartsRequest(BUCKET, at + "parts", id));
      s3.copyPart(new CopyPartRequest().withSourceBucketName(BUCKET).withSourceKey(at + "a.txt").withDestinationBucketName(BUCKET)
          .withDestinationKey(at + "parts").withUploadId(id).withPartNumber(2).withFirstByte(0L).withLastByte(2L));
      s3.completeMultipartUpload(new CompleteMultipartUploadRequest(BUCKET, at + "parts", id, new ArrayList<>(List.of(tag))));
    });
    steps.put(name + " delete many", () -> s3.deleteObjects(new DeleteObjectsRequest(BUCKET).withKeys(at + "copy", at + "ä & b")));
    steps.put(name + " delete", () -> s3.deleteObject(BUCKET, at + "a.txt"));
    steps.put(name + " get url", () -> fetch("GET", s3.generatePresignedUrl(BUCKET, at + "a b+c&d=e", new Date(System.currentTimeMillis() + 600000)), null));
    steps.put(name + " put url", () -> fetch("PUT", s3.generatePresignedUrl(
        new GeneratePresignedUrlRequest(BUCKET, at + "u", HttpMethod.PUT).withContentType("a/b")), "a/b"));
  }

  public static void main(String[] arguments) throws Exception {
    trusting = SSLContext.getInstance("TLS");
    trusting.init(null, new TrustManager[] {new X509TrustManager() {
      public void checkClientTrusted(X509Certificate[] chain, String kind) {}
      public void checkServerTrusted(X509Certificate[] chain, String kind) {}
      public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    }}, null);
    HttpsURLConnection.setDefaultSSLSocketFactory(trusting.getSocketFactory());
    Map<String, Step> steps = new LinkedHashMap<>();
    everything("chunks", client("127.0.0.1", null, true, true, false), steps);
    everything("plain", client("127.0.0.1", null, true, false, false), steps);
    everything("whole", client("127.0.0.1", null, true, false, true), steps);
    everything("old", client("127.0.0.1", "S3SignerType", true, true, false), steps);
    AmazonS3 named = client("localhost", null, false, true, false);
    everything("host", named, steps);
    everything("oldhost", client("localhost", "S3SignerType", false, true, false), steps);
    TransferManager mover = TransferManagerBuilder.standard().withS3Client(named).withMinimumUploadPartSize(5L << 20)
        .withMultipartUploadThreshold(5L << 20).build();
    steps.put("big", () -> mover.upload(BUCKET, "in/big", new File("big.bin")).waitForCompletion());
    steps.put("buckets", () -> client("127.0.0.1", null, true, true, false).listBuckets());
    steps.forEach((name, step) -> {
      try {
        step.take();
      } catch (Throwable failure) {
        String said = String.valueOf(failure).replaceAll("[\"\\\\\\n\\r]", " ");
        System.out.println("{\"step\": \"" + name + "\", \"ok\": false, \"said\": \"" + said + "\"}");
      }
    });
    mover.shutdownNow();
    System.exit(0);
  }
}
