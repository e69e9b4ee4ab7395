//! Packs the dashboard's files, so that the program serves them from memory as they are.

#![expect(clippy::disallowed_methods, reason = "cargo tells a build script by its environment")]

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};

const PAGE: &str = "src/http/dashboard/page";
const INDEX: &str = "index.html";
/// Where pages find the files of this version.
const BASE: &str = "/dashboard/assets/";

/// A file of the page.
struct File {
    /// Within the folder, with slashes.
    path: String,
    bytes: Vec<u8>,
}

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed={PAGE}");
    println!("cargo:rerun-if-changed=build.rs");
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join(PAGE);
    let out = PathBuf::from(variable("OUT_DIR")?);
    let mut files = Vec::new();
    collect(&root, "", &mut files)?;
    files.sort_by(|one, other| one.path.cmp(&other.path));
    for file in &mut files {
        leave_out_comments(file)?;
    }
    let version = version(&files);
    fill_index(&mut files, &version)?;
    let number = files.len();
    let mut table =
        format!("const VERSION: &str = {version:?};\nstatic FILES: [Asset; {number}] = [\n");
    for (at, file) in files.iter().enumerate() {
        let entry = pack(file, &out.join(format!("asset-{at}")))?;
        writeln!(table, "    {entry},").map_err(io::Error::other)?;
    }
    table.push_str("];\n");
    fs::write(out.join("assets.rs"), table)
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(io::Error::other)
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string();
        let name =
            name.map_err(|name| io::Error::other(format!("{} is not UTF-8", name.display())))?;
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else if !name.starts_with('.') {
            files.push(File { path, bytes: fs::read(entry.path())? });
        }
    }
    Ok(())
}

/// Comments at the beginning of lines are for who reads the sources, and are some 7 % of all bytes: those that head a
/// file, and those in `/*` and `*/`. What others wrote keeps its own.
fn leave_out_comments(file: &mut File) -> io::Result<()> {
    let is_ours = !file.path.starts_with("vendor/");
    let is_code = has_ending(&file.path, "js") || has_ending(&file.path, "css");
    if !(is_ours && is_code) {
        return Ok(());
    }
    let text = std::str::from_utf8(&file.bytes).map_err(io::Error::other)?;
    let (mut in_head, mut in_comment) = (true, false);
    let mut rest = String::with_capacity(text.len());
    for line in text.lines() {
        let begins = line.starts_with("/*");
        if line.find("*/").is_some_and(|end| (begins || in_comment) && end + 2 < line.len()) {
            return Err(io::Error::other(format!("{}: code after a comment: {line}", file.path)));
        }
        let is_left_out = in_comment || begins || (in_head && line.starts_with("//"));
        in_comment = (in_comment || begins) && !line.ends_with("*/");
        in_head &= is_left_out || line.is_empty();
        if !is_left_out {
            rest.push_str(line);
            rest.push('\n');
        }
    }
    if in_comment {
        return Err(io::Error::other(format!("{}: a comment without end", file.path)));
    }
    file.bytes = rest.into_bytes();
    Ok(())
}

/// Changes with every byte and name, and with how they are packed: what has this version in its path never changes.
fn version(files: &[File]) -> String {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update(bytes.len().to_be_bytes());
        hash.update(bytes);
    };
    add(include_bytes!("build.rs"));
    for file in files {
        add(file.path.as_bytes());
        add(&file.bytes);
    }
    let mut short = [0; 8];
    short.copy_from_slice(&hash.finalize()[..8]);
    format!("{:016x}", u64::from_be_bytes(short))
}

/// Names in the first file that a browser reads all others that it will need.
fn fill_index(files: &mut [File], version: &str) -> io::Result<()> {
    let base = format!("{BASE}{version}");
    let mut preload = String::new();
    for file in files.iter().filter(|file| has_ending(&file.path, "js")) {
        let path = &file.path;
        write!(preload, "<link rel=\"modulepreload\" href=\"{base}/{path}\">")
            .map_err(io::Error::other)?;
    }
    let index = files.iter_mut().find(|file| file.path == INDEX);
    let index = index.ok_or_else(|| io::Error::other("the page has no index.html"))?;
    let text = std::str::from_utf8(&index.bytes).map_err(io::Error::other)?;
    let text = text.replace("{{ base }}", &base).replace("{{ preload }}", &preload);
    index.bytes = text.into_bytes();
    Ok(())
}

/// Writes what is served of a file; gives its row of the table.
fn pack(file: &File, to: &Path) -> io::Result<String> {
    let is_font = has_ending(&file.path, "woff2");
    // Fonts are compressed in themselves.
    if is_font {
        fs::write(to, &file.bytes)?;
    } else {
        // No time and no name, so that the same file is always the same bytes.
        let mut packer = GzBuilder::new().write(Vec::new(), Compression::best());
        packer.write_all(&file.bytes)?;
        fs::write(to, packer.finish()?)?;
    }
    Ok(format!(
        "Asset {{ path: {:?}, media_type: {:?}, is_gzip: {}, bytes: include_bytes!({:?}), \
         plain: std::sync::OnceLock::new() }}",
        file.path,
        media_type(&file.path)?,
        !is_font,
        to.display().to_string(),
    ))
}

fn media_type(path: &str) -> io::Result<&'static str> {
    let known = [
        ("html", "text/html; charset=utf-8"),
        ("js", "text/javascript; charset=utf-8"),
        ("css", "text/css; charset=utf-8"),
        ("svg", "image/svg+xml"),
        ("json", "application/json"),
        ("woff2", "font/woff2"),
        ("txt", "text/plain; charset=utf-8"),
        ("md", "text/plain; charset=utf-8"),
        ("LICENSE", "text/plain; charset=utf-8"),
    ];
    let found = known.iter().find(|(ending, _)| has_ending(path, ending));
    let media_type = found.map(|(_, media_type)| *media_type);
    media_type.ok_or_else(|| io::Error::other(format!("what is {path}? name it in build.rs")))
}

fn has_ending(path: &str, ending: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == ending)
}
