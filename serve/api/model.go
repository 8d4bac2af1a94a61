package api

import (
	"github.com/gofiber/fiber/v2"

	"nightshift/internal/registry"
	"nightshift/serve/api/wire"
)

func modelOf(m ModelInfo) wire.Model {
	created := int64(0)
	if !m.Created.IsZero() {
		created = m.Created.Unix()
	}
	return wire.Model{ID: m.Champion.Track, Object: "model", Created: created, OwnedBy: "nightshift", Champion: m.Champion.String()}
}

func (s *Server) listModels(c *fiber.Ctx) error {
	who, err := s.authorize(c, roleGenerate)
	if err != nil {
		return err
	}
	list := []wire.Model{}
	for _, m := range s.deps.Versions.Models() {
		if who.sees(m.Champion.Track) {
			list = append(list, modelOf(m))
		}
	}
	if open, ok := s.routerModel(who); ok {
		list = append(list, open)
	}
	return sendJSON(c, fiber.StatusOK, wire.Models{Object: "list", Data: list})
}

func (s *Server) getModel(c *fiber.Ctx) error {
	who, err := s.authorize(c, roleGenerate)
	if err != nil {
		return err
	}
	name, err := param(c, "model")
	if err != nil {
		return err
	}
	object, err := s.findModel(name, who)
	if err != nil {
		return err
	}
	return sendJSON(c, fiber.StatusOK, object)
}

// findModel describes the model of a name.
func (s *Server) findModel(name string, who caller) (wire.Model, error) {
	if open, ok := s.routerModel(who); ok && name == open.ID {
		return open, nil
	}
	track, selector := registry.SplitName(name)
	if err := who.may(track); err != nil {
		return wire.Model{}, err
	}
	for _, m := range s.deps.Versions.Models() {
		if m.Champion.Track != track {
			continue
		}
		object := modelOf(m)
		if selector != "" {
			pinned, err := s.deps.Versions.Pin(s.base, name, "")
			if err != nil {
				return wire.Model{}, err
			}
			pinned.Pin.Release()
			object.ID, object.Champion = name, pinned.Ref.String()
		}
		return object, nil
	}
	return wire.Model{}, notFound("model_not_found", "model", "there is no model %q; /v1/models lists them", clip(name))
}
