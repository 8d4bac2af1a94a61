package ort

import (
	"debug/elf"
	"debug/macho"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
)

// RuntimeVersion is the version of ONNX Runtime that this build runs on. Other patches of the same minor version are
// accepted from the user and from the system; only this very one is fetched.
const RuntimeVersion = "1.27.0"

// EnvLibrary names the environment variable with the path of a library to use instead of looking for one.
const EnvLibrary = "NIGHTSHIFT_ONNXRUNTIME_LIB"

// Library is an ONNX Runtime shared library.
type Library struct {
	Path    string
	Version string
	Source  string // where this call found it: "env", "cache", "system", "npm" or "release"
}

// platform says which library a platform needs and how to recognise it.
type platform struct {
	file          string // its name in the cache
	member        string // its path in the package onnxruntime-node
	size          int64  // of that file
	sha256        string // of that file
	release       string // the archive on the project's release page, without ".tgz"
	releaseMember string
	releaseSHA256 string // of the archive
}

// platforms holds what is known of version 1.27.0. The sums of the npm package's libraries were computed from the
// package (integrity sha512-QEzGwrvNBgv4uPVdnbHsOGG4G6T96mdlcFI8aAKPjMU8wOPpVocPXb6k3QGkaZagVTv2G9Bnnbo6Z3JdXr1fQw==).
// The release page's libraries are other builds; the sums of its archives are those that many unrelated public projects
// pin for version 1.27.0.
var platforms = map[string]platform{
	"linux-amd64": {
		file:          "libonnxruntime.so.1",
		member:        "package/bin/napi-v6/linux/x64/libonnxruntime.so.1",
		size:          38023776,
		sha256:        "d8aff4aa8abee8fb2abb2f2f2459ffc94461e781e41b9f7c072829dd0d470221",
		release:       "onnxruntime-linux-x64-1.27.0",
		releaseMember: "lib/libonnxruntime.so.1.27.0",
		releaseSHA256: "547e40a48f1fe73e3f812d7c88a948612c23f896b91e4e2ee1e232d7b468246f",
	},
	"linux-arm64": {
		file:          "libonnxruntime.so.1",
		member:        "package/bin/napi-v6/linux/arm64/libonnxruntime.so.1",
		size:          20001880,
		sha256:        "c36bc200e7e6c093b8abb0b34590fbdd8c52fd3fb5e33795b9523ffdde2fce0f",
		release:       "onnxruntime-linux-aarch64-1.27.0",
		releaseMember: "lib/libonnxruntime.so.1.27.0",
		releaseSHA256: "3e4d83ac06924a32a07b6d7f91ce6f852876153fc0bbdf931bf517a140bfbe48",
	},
	"darwin-arm64": {
		file:          "libonnxruntime.1.27.0.dylib",
		member:        "package/bin/napi-v6/darwin/arm64/libonnxruntime.1.27.0.dylib",
		size:          38800984,
		sha256:        "89f692a3a1a224e4ad0b796b0e7c0bd81113b0741bfe84211eceef14d05a9e59",
		release:       "onnxruntime-osx-arm64-1.27.0",
		releaseMember: "lib/libonnxruntime.1.27.0.dylib",
		releaseSHA256: "545e81c58152353acb0d1e8bd6ce4b62f830c0961f5b3acfedc790ffd76e477a",
	},
}

func platformName() string { return runtime.GOOS + "-" + runtime.GOARCH }

// compatible says whether a library of this version can be used.
func compatible(version string) bool {
	minor := RuntimeVersion[:strings.LastIndexByte(RuntimeVersion, '.')+1]
	return strings.HasPrefix(version, minor) && version != minor
}

func wrongVersion(path, version string) error {
	return fmt.Errorf("%s is ONNX Runtime %s, this build needs %s: install that version, or set %s to it",
		path, version, RuntimeVersion, EnvLibrary)
}

// inspect reads the version of a library from its file, without loading it; "" when the file is a shared library for
// this platform that does not tell.
func inspect(path string) (version string, err error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s does not exist", path)
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is not a file: name the library itself", path)
	}
	if runtime.GOOS == "darwin" {
		return inspectMachO(path)
	}
	return inspectELF(path)
}

// inspectELF finds the version in the name of the symbol version that ONNX Runtime's linker script sets: VERS_1.27.0.
func inspectELF(path string) (string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return "", fmt.Errorf("%s is not a shared library", path)
	}
	defer f.Close()
	if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[runtime.GOARCH]; f.Machine != want {
		return "", fmt.Errorf("%s is built for %v, not for %s", path, f.Machine, platformName())
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return "", fmt.Errorf("%s is not a shared library", path)
	}
	for _, s := range symbols {
		if s.Name == "OrtGetApiBase" && s.Section != elf.SHN_UNDEF {
			return strings.TrimPrefix(s.Version, "VERS_"), nil
		}
	}
	return "", fmt.Errorf("%s is not ONNX Runtime", path)
}

// inspectMachO finds the version in the load command LC_ID_DYLIB: command, size, name offset, time, current version.
func inspectMachO(path string) (string, error) {
	f, err := macho.Open(path)
	if err != nil {
		if fat, e := macho.OpenFat(path); e == nil { // several processors in one file: the loader picks
			fat.Close() //nolint:errcheck // only read
			return "", nil
		}
		return "", fmt.Errorf("%s is not a shared library", path)
	}
	defer f.Close()
	if want := map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64}[runtime.GOARCH]; f.Cpu != want {
		return "", fmt.Errorf("%s is built for %v, not for %s", path, f.Cpu, platformName())
	}
	const idDylib = 0xd
	for _, l := range f.Loads {
		raw := l.Raw()
		if len(raw) < 20 || f.ByteOrder.Uint32(raw) != idDylib {
			continue
		}
		return dylibVersion(f.ByteOrder, raw), nil
	}
	return "", fmt.Errorf("%s is not a shared library", path)
}

// dylibVersion formats a packed version: sixteen bits, eight bits, eight bits.
func dylibVersion(order binary.ByteOrder, command []byte) string {
	v := order.Uint32(command[16:])
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", v>>16, v>>8&0xff, v&0xff)
}
