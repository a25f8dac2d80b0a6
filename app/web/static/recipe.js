// The recipe that the service writes into its pictures: PNG, JPEG and WebP hold it as XMP, which is plain text.

const ENTITIES = { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&" };

/** The recipe in a picture made here; null if it has none. */
export async function recipe(blob) {
  const found = /<ganymede:recipe>(.*?)<\/ganymede:recipe>/s.exec(await blob.text());
  if (!found) return null;
  try {
    return JSON.parse(found[1].replace(/&(lt|gt|quot|apos|amp);/g, (entity) => ENTITIES[entity]));
  } catch {
    return null;
  }
}
