//go:build unix

package ort

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

// The runtime's table of functions. Functions are only ever added at its end, so that the positions of these are theirs for good
// (struct OrtApi of onnxruntime_c_api.h).
enum {
	GetErrorMessage = 2,
	CreateEnv = 3,
	CreateTensorWithDataAsOrtValue = 49,
	CreateCpuMemoryInfo = 69,
	ReleaseEnv = 92,
	ReleaseStatus = 93,
	ReleaseMemoryInfo = 94,
	ReleaseSession = 95,
	ReleaseValue = 96,
	AddInitializer = 150,
	CreatePrepackedWeightsContainer = 166,
	ReleasePrepackedWeightsContainer = 167,
	CreateSessionFromArrayWithPrepackedWeightsContainer = 169,
};

typedef struct {
	void **(*get_api)(uint32_t version);
	const char *(*get_version)(void);
} api_base;

static void **open_api(const char *library, uint32_t version) {
	void *handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL | RTLD_NOLOAD);
	if (!handle) return 0;
	const api_base *(*base)(void) = (const api_base *(*)(void))dlsym(handle, "OrtGetApiBase");
	return base ? base()->get_api(version) : 0;
}

static const char *status_message(void **api, void *status) { return ((const char *(*)(void *))api[GetErrorMessage])(status); }
static void release(void **api, int function, void *object) { ((void (*)(void *))api[function])(object); }

// All below return a status: null, or an error with a message, to be released.
static void *open_weights(void **api, void **env, void **memory, void **container) {
	void *status = ((void *(*)(int, const char *, void **))api[CreateEnv])(4, "nightshift", env);
	if (!status) status = ((void *(*)(int, int, void **))api[CreateCpuMemoryInfo])(0, 0, memory);
	if (!status) status = ((void *(*)(void **))api[CreatePrepackedWeightsContainer])(container);
	return status;
}

static void *new_value(void **api, void *memory, void *data, size_t size, int64_t *dims, size_t rank, int type, void **value) {
	return ((void *(*)(void *, void *, size_t, int64_t *, size_t, int, void **))api[CreateTensorWithDataAsOrtValue])(memory, data, size, dims, rank, type, value);
}

static void *add_initializer(void **api, void *options, const char *name, void *value) {
	return ((void *(*)(void *, const char *, void *))api[AddInitializer])(options, name, value);
}

static void *new_session(void **api, void *env, void *model, size_t size, void *options, void *container, void **session) {
	return ((void *(*)(void *, void *, size_t, void *, void *, void **))api[CreateSessionFromArrayWithPrepackedWeightsContainer])(env, model, size, options, container, session);
}
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"syscall"
	"unsafe"

	rt "github.com/yalue/onnxruntime_go"
)

// apiVersion is the version of the runtime's table of functions that is asked for: that of the bindings.
const apiVersion = 24

// SharedWeights are the constants of several models that lie in the same files. The sessions that are given them, see
// [SessionConfig], map them once and keep what the runtime packs of them once, where the operator is the same and can share it: MatMul,
// Gemm and products of integers can, and MatMulNBits cannot, of which such a session is refused. The bindings do not offer this, so
// that these few functions of the runtime are called directly.
type SharedWeights struct {
	dir string

	mu                     sync.Mutex
	api                    *unsafe.Pointer
	env, memory, container unsafe.Pointer
	files                  map[string][]byte   // mapped, by location
	constants              map[string]constant // by name
	sessions               int
}

// constant is what a model says of one, and the runtime's value of it.
type constant struct {
	external
	value unsafe.Pointer
}

// NewSharedWeights prepares weights of models whose external data lies in dir.
func NewSharedWeights(dir string) (*SharedWeights, error) {
	environment.Lock()
	path, open := environment.library.Path, environment.open
	environment.Unlock()
	if !open {
		return nil, fmt.Errorf("share weights: %w", notOpen(rt.NotInitializedError))
	}
	dir, err := externalDir(dir)
	if err != nil {
		return nil, fmt.Errorf("share weights: %w", err)
	}
	library := C.CString(path)
	defer C.free(unsafe.Pointer(library))
	w := &SharedWeights{dir: dir, files: map[string][]byte{}, constants: map[string]constant{}, api: C.open_api(library, apiVersion)}
	if w.api == nil {
		return nil, fmt.Errorf("share weights: %s has no functions of version %d", path, apiVersion)
	}
	env, memory, container := new(unsafe.Pointer), new(unsafe.Pointer), new(unsafe.Pointer)
	err = w.failed(C.open_weights(w.api, env, memory, container))
	w.env, w.memory, w.container = *env, *memory, *container
	if err != nil {
		return nil, errors.Join(fmt.Errorf("share weights: %w", err), w.Close())
	}
	return w, nil
}

// failed makes an error of a status.
func (w *SharedWeights) failed(status unsafe.Pointer) error {
	if status == nil {
		return nil
	}
	defer C.release(w.api, C.ReleaseStatus, status)
	return errors.New(C.GoString(C.status_message(w.api, status)))
}

// Close frees the weights. It fails, and frees nothing, as long as a session has them.
func (w *SharedWeights) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sessions > 0 {
		return fmt.Errorf("close shared weights of %s: %d sessions have them", w.dir, w.sessions)
	}
	for _, c := range w.constants {
		C.release(w.api, C.ReleaseValue, c.value)
	}
	for _, o := range []struct {
		object   *unsafe.Pointer
		function C.int
	}{{&w.container, C.ReleasePrepackedWeightsContainer}, {&w.memory, C.ReleaseMemoryInfo}, {&w.env, C.ReleaseEnv}} {
		if *o.object != nil {
			C.release(w.api, o.function, *o.object)
			*o.object = nil
		}
	}
	var err error
	for _, pages := range w.files {
		err = errors.Join(err, syscall.Munmap(pages))
	}
	w.constants, w.files = nil, nil
	return err
}

// open makes a session of a model over the weights.
func (w *SharedWeights) open(model []byte, inputs, outputs []string, options *rt.SessionOptions) (*rt.DynamicAdvancedSession, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.container == nil {
		return nil, fmt.Errorf("shared weights of %s: %w", w.dir, errClosed)
	}
	native := reflect.ValueOf(options).Elem().FieldByName("o")
	if !native.IsValid() {
		return nil, errBindings
	}
	list, err := externals(model)
	if err != nil {
		return nil, err
	}
	for i := range list {
		value, err := w.value(&list[i])
		if err == nil {
			name := C.CString(list[i].name)
			err = w.failed(C.add_initializer(w.api, native.UnsafePointer(), name, value))
			C.free(unsafe.Pointer(name))
		}
		if err != nil {
			return nil, fmt.Errorf("share weight %s: %w", list[i].name, err)
		}
	}
	session := new(unsafe.Pointer)
	err = w.failed(C.new_session(w.api, w.env, unsafe.Pointer(unsafe.SliceData(model)), C.size_t(len(model)), native.UnsafePointer(), w.container, session))
	if err != nil {
		return nil, err
	}
	wrapped, err := wrap(*session, inputs, outputs)
	if err != nil {
		C.release(w.api, C.ReleaseSession, *session)
		return nil, err
	}
	w.sessions++
	return wrapped, nil
}

// value is a constant of a model as the runtime takes it.
func (w *SharedWeights) value(e *external) (unsafe.Pointer, error) {
	if c, ok := w.constants[e.name]; ok {
		if !reflect.DeepEqual(c.external, *e) {
			return nil, errors.New("another model has other data of that name")
		}
		return c.value, nil
	}
	pages, err := w.file(e.location)
	if err != nil {
		return nil, err
	}
	if e.offset < 0 || e.length < 0 || e.offset > int64(len(pages)) || e.length > int64(len(pages))-e.offset {
		return nil, fmt.Errorf("it lies at %d to %d of %s, which has %d bytes", e.offset, e.offset+e.length, e.location, len(pages))
	}
	data := pages[e.offset:][:e.length]
	v := new(unsafe.Pointer)
	err = w.failed(C.new_value(w.api, w.memory, unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data)), (*C.int64_t)(unsafe.SliceData(e.dims)), C.size_t(len(e.dims)), C.int(e.dtype), v))
	if err != nil {
		return nil, err
	}
	w.constants[e.name] = constant{*e, *v}
	return *v, nil
}

// file maps a file of the folder, read-only.
func (w *SharedWeights) file(location string) ([]byte, error) {
	if pages, ok := w.files[location]; ok {
		return pages, nil
	}
	if !filepath.IsLocal(location) {
		return nil, fmt.Errorf("its file %s is not in %s", location, w.dir)
	}
	f, err := os.Open(filepath.Join(w.dir, location))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() == 0 {
		return nil, nil
	}
	pages, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", f.Name(), err)
	}
	w.files[location] = pages
	return pages, nil
}

// left notes that a session is closed.
func (w *SharedWeights) left() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sessions--
}

var errBindings = errors.New("the runtime's Go bindings have other fields than this build knows")

// wrap makes the bindings' session of the runtime's, as they make it of a model's bytes. They have no way in, so that their fields are
// written by name.
func wrap(session unsafe.Pointer, inputs, outputs []string) (*rt.DynamicAdvancedSession, error) {
	inner, outer := &rt.AdvancedSession{}, &rt.DynamicAdvancedSession{}
	fields := reflect.ValueOf(inner).Elem()
	native, ins, outs, s := fields.FieldByName("ortSession"), fields.FieldByName("inputNames"), fields.FieldByName("outputNames"), reflect.ValueOf(outer).Elem().FieldByName("s")
	if !native.IsValid() || native.Kind() != reflect.Pointer || !ins.IsValid() || !outs.IsValid() || !s.IsValid() || s.Type() != reflect.TypeOf(inner) {
		return nil, errBindings
	}
	for _, list := range []struct {
		field reflect.Value
		names []string
	}{{ins, inputs}, {outs, outputs}} {
		if list.field.Kind() != reflect.Slice || list.field.Type().Elem().Kind() != reflect.Pointer {
			return nil, errBindings
		}
		names := make([]unsafe.Pointer, len(list.names)) // which Destroy frees
		for i, name := range list.names {
			names[i] = unsafe.Pointer(C.CString(name))
		}
		*(*[]unsafe.Pointer)(unsafe.Pointer(list.field.UnsafeAddr())) = names
	}
	*(*unsafe.Pointer)(unsafe.Pointer(native.UnsafeAddr())) = session
	*(**rt.AdvancedSession)(unsafe.Pointer(s.UnsafeAddr())) = inner
	return outer, nil
}
