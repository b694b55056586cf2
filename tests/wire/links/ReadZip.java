import java.io.BufferedInputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/** Reads a ZIP from standard input, without ever seeing its directory; prints name, size and checksum of each entry. */
class ReadZip {
    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        byte[] buffer = new byte[65536];
        try (ZipInputStream in = new ZipInputStream(new BufferedInputStream(System.in))) {
            for (ZipEntry entry = in.getNextEntry(); entry != null; entry = in.getNextEntry()) {
                CRC32 checksum = new CRC32();
                long size = 0;
                for (int count = in.read(buffer); count > 0; count = in.read(buffer)) {
                    checksum.update(buffer, 0, count);
                    size += count;
                }
                out.println(entry.getName() + " " + size + " " + checksum.getValue());
            }
        }
    }
}
