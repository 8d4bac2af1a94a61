package ort

import (
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// Info describes an input or an output of a model.
type Info struct {
	Name string
	Type DType // 0 when it is not a tensor
	// Dims is the declared shape: -1 for a dimension that is symbolic or unknown, nil when no shape is declared, empty
	// and not nil for a 0-dimensional value.
	Dims []int64
}

// The fields of ONNX's protobuf messages that name a model's inputs and outputs (onnx/onnx.proto).
const (
	modelGraph        = 7
	graphInitializer  = 5
	graphInput        = 11
	graphOutput       = 12
	graphSparse       = 15
	tensorDims        = 1
	tensorElement     = 2
	tensorName        = 8
	tensorExternal    = 13
	entryKey          = 1
	entryValue        = 2
	sparseValues      = 1
	valueInfoName     = 1
	valueInfoType     = 2
	typeTensor        = 1
	tensorTypeElement = 1
	tensorTypeShape   = 2
	shapeDim          = 1
	dimValue          = 1
)

var errModel = errors.New("not an ONNX model, or damaged")

// field is one field of a protobuf message: number for varints, bytes for nested messages and strings.
type field struct {
	id     protowire.Number
	number uint64
	bytes  []byte
}

// fields calls f for each varint and length-delimited field of a message.
func fields(message []byte, f func(field) error) error {
	for len(message) > 0 {
		id, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return errModel
		}
		message = message[n:]
		v := field{id: id}
		switch kind {
		case protowire.VarintType:
			v.number, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			v.bytes, n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(id, kind, message)
		}
		if n < 0 {
			return errModel
		}
		message = message[n:]
		if kind != protowire.VarintType && kind != protowire.BytesType {
			continue
		}
		if err := f(v); err != nil {
			return err
		}
	}
	return nil
}

// signature reads the inputs and outputs of an encoded model. Inputs that are initializers too (they may be left out)
// are not listed.
func signature(model []byte) (inputs, outputs []Info, err error) {
	graphs := 0
	weights := map[string]bool{}
	err = fields(model, func(f field) error {
		if f.id != modelGraph {
			return nil
		}
		graphs++
		return fields(f.bytes, func(f field) error {
			switch f.id {
			case graphInput, graphOutput:
				info, err := valueInfo(f.bytes)
				if err != nil {
					return err
				}
				if f.id == graphInput {
					inputs = append(inputs, info)
				} else {
					outputs = append(outputs, info)
				}
			case graphInitializer:
				return text(f.bytes, tensorName, weights)
			case graphSparse:
				return fields(f.bytes, func(f field) error {
					if f.id != sparseValues {
						return nil
					}
					return text(f.bytes, tensorName, weights)
				})
			}
			return nil
		})
	})
	if err != nil {
		return nil, nil, err
	}
	if graphs != 1 || len(outputs) == 0 {
		return nil, nil, errModel
	}
	n := 0
	for _, in := range inputs {
		if !weights[in.Name] {
			inputs[n] = in
			n++
		}
	}
	return inputs[:n], outputs, nil
}

// text adds the string field id of a message to a set.
func text(message []byte, id protowire.Number, set map[string]bool) error {
	return fields(message, func(f field) error {
		if f.id == id {
			set[string(f.bytes)] = true
		}
		return nil
	})
}

func valueInfo(message []byte) (Info, error) {
	var info Info
	err := fields(message, func(f field) error {
		switch f.id {
		case valueInfoName:
			info.Name = string(f.bytes)
		case valueInfoType:
			return fields(f.bytes, func(f field) error {
				if f.id != typeTensor {
					return nil
				}
				return tensorType(f.bytes, &info)
			})
		}
		return nil
	})
	if err == nil && info.Name == "" {
		err = fmt.Errorf("%w: an input or output has no name", errModel)
	}
	return info, err
}

func tensorType(message []byte, info *Info) error {
	return fields(message, func(f field) error {
		switch f.id {
		case tensorTypeElement:
			info.Type = DType(f.number)
		case tensorTypeShape:
			info.Dims = []int64{}
			return fields(f.bytes, func(f field) error {
				if f.id != shapeDim {
					return nil
				}
				dim := int64(-1)
				err := fields(f.bytes, func(f field) error {
					if f.id == dimValue {
						dim = int64(f.number)
					}
					return nil
				})
				info.Dims = append(info.Dims, dim)
				return err
			})
		}
		return nil
	})
}

// external is a constant of a model whose data lies in a file.
type external struct {
	name           string
	dtype          DType
	dims           []int64
	location       string
	offset, length int64
}

// externals reads the constants of an encoded model that lie in files.
func externals(model []byte) (list []external, err error) {
	err = fields(model, func(f field) error {
		if f.id != modelGraph {
			return nil
		}
		return fields(f.bytes, func(f field) error {
			if f.id != graphInitializer {
				return nil
			}
			e, err := readExternal(f.bytes)
			if err == nil && e.location != "" {
				list = append(list, e)
			}
			return err
		})
	})
	return list, err
}

// readExternal reads a tensor. Its location is "" when its data lies in the model.
func readExternal(message []byte) (e external, err error) {
	err = fields(message, func(f field) (err error) {
		switch f.id {
		case tensorDims:
			if f.bytes == nil { // not packed
				e.dims = append(e.dims, int64(f.number))
			}
			for rest := f.bytes; len(rest) > 0; {
				dim, n := protowire.ConsumeVarint(rest)
				if n < 0 {
					return errModel
				}
				e.dims, rest = append(e.dims, int64(dim)), rest[n:]
			}
		case tensorElement:
			e.dtype = DType(f.number)
		case tensorName:
			e.name = string(f.bytes)
		case tensorExternal:
			return e.entry(f.bytes)
		}
		return nil
	})
	return e, err
}

// entry reads one of the entries that say where the data lies.
func (e *external) entry(message []byte) (err error) {
	var key, value string
	err = fields(message, func(f field) error {
		switch f.id {
		case entryKey:
			key = string(f.bytes)
		case entryValue:
			value = string(f.bytes)
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch key {
	case "location":
		e.location = value
	case "offset":
		e.offset, err = strconv.ParseInt(value, 10, 64)
	case "length":
		e.length, err = strconv.ParseInt(value, 10, 64)
	}
	if err != nil {
		return fmt.Errorf("%w: external data has the %s %q", errModel, key, value)
	}
	return nil
}
