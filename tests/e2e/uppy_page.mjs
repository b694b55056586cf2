// What a page of somebody's own does with Uppy: one script for the browser, made by esbuild. Each mode is set up as Uppy's
// documentation has it; only the addresses are a link's.
import Uppy from "@uppy/core";
import AwsS3 from "@uppy/aws-s3";
import Tus from "@uppy/tus";

const PART = 5 * 1024 * 1024;

const modes = {
  tus: (uppy, link) => uppy.use(Tus, { endpoint: link, chunkSize: PART }),
  parallelUploads: (uppy, link) => uppy.use(Tus, { endpoint: link, parallelUploads: 3 }),
  signRequest: (uppy, link) =>
    uppy.use(AwsS3, {
      shouldUseMultipart: false,
      generateObjectKey: (file) => file.name,
      signRequest: ({ key }) => ({ url: link + encodeURIComponent(key) }),
    }),
  getCredentials: (uppy, link, found) =>
    uppy.use(AwsS3, {
      s3Endpoint: `${found.endpoint}/${found.bucket}`,
      region: found.region,
      shouldUseMultipart: (file) => file.size > PART,
      getChunkSize: () => PART,
      generateObjectKey: (file) => found.prefix + file.name,
      getCredentials: async () => found,
    }),
};

window.send = async (mode, link, files) => {
  const found = mode === "getCredentials" ? await (await fetch(`${link}credentials`, { method: "POST" })).json() : null;
  const uppy = new Uppy();
  modes[mode](uppy, link, found);
  for (const [name, size, seed] of files) {
    const bytes = new Uint8Array(size).map((_, at) => (at * 31 + seed) % 251);
    uppy.addFile({ name, type: "text/plain", data: new Blob([bytes], { type: "text/plain" }) });
  }
  const done = await uppy.upload();
  return [done.successful.map((file) => file.name), done.failed.map((file) => `${file.name}: ${file.error}`)];
};
