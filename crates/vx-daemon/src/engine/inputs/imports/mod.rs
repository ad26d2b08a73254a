//! Whether a proc macro can read the environment, told from its library.
//!
//! Everything that could (`environ`, `getenv`, `dlopen`, `exec`, …) lies in other libraries, so it is among the imports
//! of the library. Only [`HARMLESS`] ones are accepted. The standard library is linked into each macro and imports
//! `getenv` for itself, so for that one the code is searched: if it is used by [`USERS_IN_STD`] alone, no macro uses it.
//!
//! Any doubt counts as reading: another format or architecture, no symbol table, an unusual relocation. A macro that
//! hides what it does (in assembler, behind a name of the standard library) is not found.

use std::collections::BTreeSet;

use object::read::elf::{ElfFile64, SectionHeader as _};
use object::{
    Architecture, LittleEndian, Object as _, ObjectSection as _, ObjectSymbol as _, RelocationFlags, RelocationTarget,
    SectionKind, SymbolKind, elf,
};

/// Libraries whose functions are known. Another one may read the environment for a macro.
const LIBRARIES: &[&str] = &[
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
];

/// Functions of these libraries that neither read the environment nor reach other code; mostly what the standard library
/// and allocators use. `*` ends a family. What a macro opens or executes is observed, system calls included.
const HARMLESS: &[&str] = &[
    // Of compilers and linkers.
    "_ITM_*",
    "_Unwind_*",
    "__cxa_*",
    "__errno_location",
    "__gmon_start__",
    "__stack_chk_fail",
    "__tls_get_addr",
    "dl_iterate_phdr",
    // Memory and texts.
    "aligned_alloc",
    "bcmp",
    "calloc",
    "free",
    "madvise",
    "malloc",
    "malloc_usable_size",
    "memchr",
    "memcmp",
    "memcpy",
    "memmove",
    "memrchr",
    "memset",
    "mmap",
    "mmap64",
    "mprotect",
    "mremap",
    "munmap",
    "posix_memalign",
    "realloc",
    "reallocarray",
    "strchr",
    "strcmp",
    "strcpy",
    "strlen",
    "strncmp",
    "strncpy",
    "strnlen",
    "strrchr",
    "strstr",
    // Numbers.
    "acos*",
    "asin*",
    "atan*",
    "cbrt*",
    "ceil*",
    "cos*",
    "exp",
    "exp2*",
    "expf",
    "expm1*",
    "fdim*",
    "floor*",
    "fma*",
    "fmod*",
    "frexp*",
    "hypot*",
    "ldexp*",
    "lgamma_r",
    "lgammaf_r",
    "log*",
    "modf*",
    "pow*",
    "rint*",
    "round*",
    "sin*",
    "sqrt*",
    "tan*",
    "tgamma*",
    "trunc*",
    "qsort",
    "bsearch",
    // Files and descriptors.
    "access",
    "chmod",
    "close",
    "closedir",
    "copy_file_range",
    "dirfd",
    "dup",
    "dup2",
    "dup3",
    "faccessat",
    "fchmod",
    "fchmodat",
    "fcntl",
    "fcntl64",
    "fdatasync",
    "fdopendir",
    "flock",
    "fstat*",
    "fsync",
    "ftruncate*",
    "getcwd",
    "ioctl",
    "isatty",
    "lchown",
    "link*",
    "lseek*",
    "lstat*",
    "mkdir*",
    "open",
    "open64",
    "openat",
    "openat64",
    "opendir",
    "pipe",
    "pipe2",
    "poll",
    "pread*",
    "pwrite*",
    "read",
    "readdir*",
    "readlink*",
    "readv",
    "realpath",
    "rename*",
    "rmdir",
    "sendfile*",
    "splice",
    "stat*",
    "statx",
    "symlink*",
    "unlink*",
    "utimensat",
    "futimens",
    "write",
    "writev",
    // Threads, time and the process itself.
    "_exit",
    "abort",
    "clock_gettime",
    "clock_nanosleep",
    "exit",
    "getegid",
    "geteuid",
    "getgid",
    "getpagesize",
    "getpid",
    "getppid",
    "getrandom",
    "gettid",
    "gettimeofday",
    "getuid",
    "gnu_get_libc_version",
    "nanosleep",
    "prctl",
    "pthread_*",
    "raise",
    "sched_getaffinity",
    "sched_yield",
    "sem_*",
    "sigaction",
    "sigaddset",
    "sigaltstack",
    "sigemptyset",
    "signal",
    "sysconf",
    // Its result without a locale, which only `setlocale` would change.
    "__xpg_strerror_r",
    "strerror_r",
    // Calls to the kernel, which knows no variables. What they open or execute is observed.
    "syscall",
];

/// The function that is imported by every macro, for the sake of [`USERS_IN_STD`].
const GETENV: &str = "getenv";

/// Functions of the standard library that ask for variables of their own. None of them is generic, so that no code of
/// another crate is in them. Panics in macros are not printed by the standard library, so `RUST_BACKTRACE` has no
/// effect there.
const USERS_IN_STD: &[&str] = &["std::panic::get_backtrace_style"];

/// Whether the macro with this library can read the environment.
pub(crate) fn reads_environment(library: &[u8]) -> bool {
    // What cannot be read may do anything.
    Library::parse(library).and_then(|library| library.is_harmless()) != Some(true)
}

type File<'a> = ElfFile64<'a, LittleEndian>;

/// A library for x86-64 Linux with a symbol table.
struct Library<'a> {
    file: File<'a>,
    functions: Vec<Function<'a>>,
}

struct Function<'a> {
    start: u64,
    end: u64,
    name: &'a str,
}

impl<'a> Library<'a> {
    fn parse(content: &'a [u8]) -> Option<Self> {
        let file = File::parse(content).ok()?;
        if file.architecture() != Architecture::X86_64 {
            return None;
        }
        let functions = file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text);
        let function = |symbol: object::read::elf::ElfSymbol64<'a, '_, LittleEndian>| {
            Some(Function {
                start: symbol.address(),
                end: symbol.address() + symbol.size(),
                name: symbol.name().ok()?,
            })
        };
        let functions = functions.map(function).collect::<Option<Vec<_>>>()?;
        Some(Self { file, functions })
    }

    /// `None` if in doubt.
    fn is_harmless(&self) -> Option<bool> {
        let mut libraries = self.file.import_libraries().ok()?;
        let is_known = |library: object::read::Result<object::read::ImportLibrary<'_>>| {
            let library = library.ok()?;
            Some(LIBRARIES.iter().any(|known| known.as_bytes() == library.name()))
        };
        if !libraries.all(|library| is_known(library) == Some(true)) {
            return None;
        }
        let mut uses_getenv = false;
        for symbol in self.file.dynamic_symbols().filter(|symbol| symbol.is_undefined()) {
            match symbol.name().ok()? {
                GETENV => uses_getenv = true,
                name if vx_cargo::matches_any(name, HARMLESS) => {}
                _ => return Some(false),
            }
        }
        match uses_getenv {
            true => self.leaves_getenv_to_std(),
            false => Some(true),
        }
    }

    /// Whether only [`USERS_IN_STD`] reach `getenv`, through whatever functions of the standard library.
    fn leaves_getenv_to_std(&self) -> Option<bool> {
        let mut looked_at = BTreeSet::new();
        let mut targets = self.slots_of_getenv()?;
        while !targets.is_empty() {
            looked_at.extend(&targets);
            let mut callers = BTreeSet::new();
            for address in self.references(&targets)? {
                let mut functions = self.functions_at(address).peekable();
                functions.peek()?;
                for function in functions {
                    let name = format!("{:#}", rustc_demangle::demangle(function.name));
                    if USERS_IN_STD.contains(&name.as_str()) {
                        continue;
                    }
                    if !name.trim_start_matches('<').starts_with("std::") {
                        return Some(false);
                    }
                    callers.insert(function.start);
                }
            }
            targets = &callers - &looked_at;
            if self.has_pointer_to(&targets)? {
                return None;
            }
        }
        Some(true)
    }

    /// Where the dynamic linker puts the address of `getenv`.
    fn slots_of_getenv(&self) -> Option<BTreeSet<u64>> {
        let mut slots = BTreeSet::new();
        for (address, relocation) in self.file.dynamic_relocations()? {
            let RelocationTarget::Symbol(symbol) = relocation.target() else {
                continue;
            };
            let symbols = self.file.elf_dynamic_symbol_table();
            let symbol = symbols.symbol(symbol).ok()?;
            let name = symbols.symbol_name(LittleEndian, symbol).ok()?;
            if name != GETENV.as_bytes() {
                continue;
            }
            // A pointer to it in data could be followed from anywhere.
            let RelocationFlags::Elf {
                r_type: elf::R_X86_64_GLOB_DAT,
                ..
            } = relocation.flags()
            else {
                return None;
            };
            slots.insert(address);
        }
        Some(slots)
    }

    /// Whether data holds the address of one of `functions`.
    fn has_pointer_to(&self, functions: &BTreeSet<u64>) -> Option<bool> {
        let header = |section: object::read::elf::ElfSection64<'_, '_, LittleEndian>| {
            section.elf_section_header().sh_type(LittleEndian)
        };
        if self.file.sections().map(header).any(|kind| kind == elf::SHT_RELR) {
            // Another encoding of pointers.
            return None;
        }
        let mut relocations = self.file.dynamic_relocations()?;
        Some(relocations.any(|(_, relocation)| functions.contains(&relocation.addend().cast_unsigned())))
    }

    /// Addresses in code whose instruction may refer to one of `targets`, relative to itself, as all code in dynamic
    /// libraries does. Some may be parts of other instructions that look like it; none is missed.
    fn references(&self, targets: &BTreeSet<u64>) -> Option<Vec<u64>> {
        let mut references = Vec::new();
        let (first, last) = (*targets.first()?, *targets.last()?);
        for section in self
            .file
            .sections()
            .filter(|section| section.kind() == SectionKind::Text)
        {
            let windows = section.data().ok()?.array_windows::<4>();
            for (end, bytes) in (section.address() + 4..).zip(windows) {
                let target = end.wrapping_add_signed(i64::from(i32::from_le_bytes(*bytes)));
                if first <= target && target <= last && targets.contains(&target) {
                    references.push(end - 4);
                }
            }
        }
        Some(references)
    }

    fn functions_at(&self, address: u64) -> impl Iterator<Item = &Function<'a>> {
        self.functions
            .iter()
            .filter(move |function| (function.start..function.end).contains(&address))
    }
}

#[cfg(all(test, target_arch = "x86_64", target_os = "linux"))]
mod tests;
