// JetS3t, the client that Hadoop's first S3 file systems were built on.
import java.io.*;
import org.jets3t.service.*;
import org.jets3t.service.impl.rest.httpclient.RestS3Service;
import org.jets3t.service.model.*;
import org.jets3t.service.security.AWSCredentials;

public class Jets3t {
  interface Step { void take() throws Exception; }

  public static void main(String[] arguments) throws Exception {
    Jets3tProperties settings = new Jets3tProperties();
    settings.setProperty("s3service.s3-endpoint", "127.0.0.1");
    settings.setProperty("s3service.s3-endpoint-http-port", System.getenv("PORT"));
    settings.setProperty("s3service.https-only", "false");
    settings.setProperty("s3service.disable-dns-buckets", "true");
    settings.setProperty("storage-service.internal-error-retry-max", "0");
    String key = System.getenv("AWS_ACCESS_KEY_ID"), secret = System.getenv("AWS_SECRET_ACCESS_KEY");
    RestS3Service s3 = new RestS3Service(new AWSCredentials(key, secret), null, null, settings);
    S3Bucket bucket = new S3Bucket(System.getenv("BUCKET"));
    S3Object typed = new S3Object("in/a b+c", "hello");
    typed.setContentType("text/plain");
    typed.addMetadata("under_score", "1");
    Object[] steps = {
      "put", (Step) () -> s3.putObject(bucket, new S3Object("in/a.txt", "hello")),
      "typed", (Step) () -> s3.putObject(bucket, typed),
      "unicode", (Step) () -> s3.putObject(bucket, new S3Object("in/ünï", "x")),
      "get", (Step) () -> s3.getObject(bucket.getName(), "in/a.txt").getDataInputStream().close(),
      "range", (Step) () -> s3.getObject(bucket.getName(), "in/a.txt", null, null, null, null, 0L, 2L).getDataInputStream().close(),
      "head", (Step) () -> s3.getObjectDetails(bucket.getName(), "in/a b+c"),
      "list", (Step) () -> s3.listObjects(bucket.getName(), "in/", "/"),
      "copy", (Step) () -> s3.copyObject(bucket.getName(), "in/a.txt", bucket.getName(), new S3Object("in/copy"), false),
      "parts", (Step) () -> {
        MultipartUpload upload = s3.multipartStartUpload(bucket.getName(), new S3Object("in/parts"));
        s3.multipartUploadPart(upload, 1, new S3Object("in/parts", "part"));
        s3.multipartCompleteUpload(upload);
      },
      "delete", (Step) () -> s3.deleteObject(bucket.getName(), "in/a.txt"),
      "buckets", (Step) () -> s3.listAllBuckets(),
    };
    for (int at = 0; at < steps.length; at += 2) {
      try {
        ((Step) steps[at + 1]).take();
      } catch (Throwable failure) {
        String said = String.valueOf(failure).replaceAll("[\"\\n\\r]", " ");
        System.out.println("{\"step\": \"" + steps[at] + "\", \"ok\": false, \"said\": \"" + said + "\"}");
      }
    }
  }
}
