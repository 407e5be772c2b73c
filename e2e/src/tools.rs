//! What the tests need of other languages, built when it is missing or its sources have changed.
//!
//! Each tool has a stamp with a hash of its inputs under `target/e2e-tools/`; a lock file keeps two test programs from
//! building at once. A program that is missing on the machine is named.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Cargo's target directory.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("e2e is a folder of the repository")
}

fn sources(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

fn built() -> PathBuf {
    target().join("e2e-tools")
}

/// A command that runs the program of `e2e/java/NAME` in a small JVM that starts quickly.
///
/// # Panics
/// Java or Maven is missing, or the build fails.
pub fn java(name: &str) -> Command {
    let folder = sources("java").join(name);
    let jar = folder.join(format!("target/{name}.jar"));
    let inputs = [folder.clone(), sources("java/client-common")];
    ensure(&format!("java-{name}"), &inputs, &jar, || maven(&folder, &[]));
    let mut command = jvm(192);
    command.arg("-jar").arg(jar);
    command
}

/// A command that runs the program on Seata's client of one version, which is in Maven's group and Java's root `package`, with
/// these system properties.
///
/// # Panics
/// As [`java`].
pub fn seata_client(version: &str, package: &str, properties: &[(&str, &str)]) -> Command {
    let folder = sources("java/seata-client");
    let jar = folder.join(format!("target/{version}/seata-client.jar"));
    let inputs = [folder.clone()];
    ensure(&format!("java-seata-client-{version}"), &inputs, &jar, || {
        maven(&folder, &[format!("-Dseata.version={version}"), format!("-Dseata.package={package}")]);
    });
    let mut command = jvm(192);
    define(&mut command, properties);
    command.arg("-jar").arg(jar);
    command
}

/// A command that runs Seata's own server with these system properties.
///
/// # Panics
/// As [`java`].
pub fn seata_server(properties: &[(&str, &str)]) -> Command {
    let folder = sources("java/seata-server");
    let jars = folder.join("target/lib");
    let inputs = [folder.clone()];
    ensure("java-seata-server", &inputs, &jars, || maven(&folder, &[]));
    let mut command = jvm(512);
    define(&mut command, properties);
    command.arg("-cp").arg(jars.join("*")).arg("io.seata.server.ServerApplication");
    command
}

fn define(command: &mut Command, properties: &[(&str, &str)]) {
    command.args(properties.iter().map(|(key, value)| format!("-D{key}={value}")));
}

fn maven(folder: &Path, properties: &[String]) {
    need("javac", "-version", "default-jdk-headless");
    need("mvn", "--version", "maven");
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "-ntp", "-Dstyle.color=never"]).args(properties);
    run(maven.args(["package", "-f"]).arg(folder.join("pom.xml")));
}

/// A JVM that starts quickly, with a heap of at most `mebibytes`.
fn jvm(mebibytes: u32) -> Command {
    let mut command = Command::new("java");
    command.args([&format!("-Xmx{mebibytes}m"), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
    command
}

/// A command that runs the Python client of Eureka.
///
/// # Panics
/// As [`python_program`].
pub fn python() -> Command {
    python_program("client.py")
}

/// A command that runs a program of `e2e/python` among the packages it needs.
///
/// # Panics
/// Python is missing, or the packages cannot be installed.
pub fn python_program(name: &str) -> Command {
    let folder = sources("python");
    let home = built().join("python");
    let interpreter = home.join("bin/python");
    ensure("python", std::slice::from_ref(&folder), &interpreter, || {
        need("python3", "--version", "python3 python3-venv");
        fs::remove_dir_all(&home).ok();
        run(Command::new("python3").args(["-m", "venv"]).arg(&home));
        for requirements in ["requirements.txt", "requirements-seata.txt"] {
            let mut pip = Command::new(&interpreter);
            // Both lists are complete, and what seata-python asks for is not what it works with.
            pip.args(["-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--no-deps"]);
            run(pip.arg("--requirement").arg(folder.join(requirements)));
        }
    });
    let mut command = Command::new(interpreter);
    command.arg("-B").arg(folder.join(name));
    command
}

/// A command that runs the program of `e2e/go/NAME`.
///
/// # Panics
/// Go is missing, or the build fails.
pub fn go(name: &str) -> Command {
    let folder = sources("go").join(name);
    let program = built().join(name);
    ensure(&format!("go-{name}"), std::slice::from_ref(&folder), &program, || {
        need("go", "version", "golang-go");
        let mut go = Command::new("go");
        run(go.current_dir(&folder).args(["build", "-trimpath", "-o"]).arg(&program).arg("."));
    });
    Command::new(program)
}

/// A command that runs the JavaScript client.
///
/// # Panics
/// Node is missing, or its packages cannot be installed.
pub fn node() -> Command {
    let folder = sources("js");
    let home = built().join("js");
    ensure("js", std::slice::from_ref(&folder), &home.join("node_modules/eureka-js-client"), || {
        need("node", "--version", "nodejs");
        need("npm", "--version", "npm");
        fs::create_dir_all(&home).expect("the target directory can be written");
        for file in ["package.json", "package-lock.json", "client.js"] {
            fs::copy(folder.join(file), home.join(file))
                .unwrap_or_else(|error| panic!("cannot copy {file}: {error}"));
        }
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund", "--silent"]).current_dir(&home));
    });
    let mut command = Command::new("node");
    command.arg(home.join("client.js"));
    command
}

/// Builds unless `product` exists and was built of the same `inputs`.
fn ensure(name: &str, inputs: &[PathBuf], product: &Path, build: impl FnOnce()) {
    let folder = built();
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("cannot make {}: {error}", folder.display()));
    let lock = File::create(folder.join(format!("{name}.lock"))).expect("the directory was just made");
    lock.lock().expect("files can be locked here");
    let stamp = folder.join(format!("{name}.stamp"));
    let wanted = format!("{:016x}", digest(inputs));
    if product.exists() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return;
    }
    fs::remove_file(&stamp).ok();
    eprintln!("building {name}");
    build();
    assert!(product.exists(), "{name} was built, but there is no {}", product.display());
    fs::write(&stamp, wanted).expect("the directory was just made");
}

fn digest(inputs: &[PathBuf]) -> u64 {
    let mut files = Vec::new();
    for input in inputs {
        collect(input, &mut files);
    }
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.hash(&mut hasher);
        fs::read(&file)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()))
            .hash(&mut hasher);
    }
    hasher.finish()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("the folder stays readable").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | "node_modules" | "__pycache__") {
                collect(&path, files);
            }
        } else {
            files.push(path);
        }
    }
}

fn need(program: &str, version: &str, packages: &str) {
    let found = Command::new(program).arg(version).stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(
        found.is_ok_and(|status| status.success()),
        "missing: {program}. Install with `apt-get install {packages}`"
    );
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
