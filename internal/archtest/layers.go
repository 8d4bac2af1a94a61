package archtest

// Place is where a package stands. It may import packages of lower layers, and of its own layer those of its own family with a
// lower rank.
type Place struct {
	Layer  int
	Family string
	Rank   int
}

// Layers places every package, bottom up. A path that ends with /... is for all packages below.
var Layers = map[string]Place{
	"internal/atomicfile": {0, "atomicfile", 0},
	"internal/stats":      {0, "stats", 0},

	"onnx":                {1, "onnx", 0},
	"onnx/eval":           {1, "onnx", 1},
	"onnx/ort":            {1, "onnx", 1},
	"internal/archtest":   {1, "archtest", 0},
	"internal/nearest":    {1, "config", 0},
	"internal/schedule":   {1, "config", 0},
	"internal/config":     {1, "config", 1},
	"internal/cli":        {1, "config", 1},
	"internal/longtest":   {1, "longtest", 0},
	"internal/process":    {1, "process", 0},
	"internal/smollm2":    {1, "smollm2", 0},
	"internal/redact":     {1, "redact", 0},
	"internal/routing":    {1, "routing", 0},
	"internal/sampling":   {1, "sampling", 0},
	"internal/telemetry":  {1, "telemetry", 0},
	"models/internal/...": {1, "models", 0},
	"models/arch":         {1, "models", 1},
	"replaystore/journal": {1, "journal", 0},

	"onnx/graphs":          {2, "graphs", 0},
	"onnx/gpt2":            {2, "graphs", 1},
	"onnx/llama":           {2, "graphs", 1},
	"onnx/families":        {2, "graphs", 2},
	"models/safetensors":   {2, "models", 1},
	"models/gguf":          {2, "models", 2},
	"models/template":      {2, "models", 2},
	"models/template/...":  {2, "models", 1},
	"models/tokenizer":     {2, "models", 1},
	"models/adapter":       {2, "models", 2},
	"models/checkpoint":    {2, "models", 2},
	"models/quantize":      {2, "models", 3},
	"models/demo":          {2, "models", 3},
	"replaystore":          {2, "replaystore", 0},
	"internal/registry":    {2, "registry", 0},
	"internal/nightrecord": {2, "nightrecord", 0},

	"serve/api/wire":            {3, "wire", 0},
	"internal/retention":        {3, "retention", 0},
	"internal/teach":            {3, "teach", 0},
	"internal/engine/scheduler": {3, "engine", 0},
	"internal/engine/kv":        {3, "engine", 0},
	"internal/engine":           {3, "engine", 1},
	"internal/anchors":          {3, "engine", 2},
	"replaystore/localstore":    {3, "localstore", 0},
	"replaystore/redisstore":    {3, "redisstore", 0},
	"replaystore/replaytest":    {3, "replaytest", 0},

	"serve/console/...":   {4, "serve", 0},
	"serve/console":       {4, "serve", 1},
	"serve/api":           {4, "serve", 2},
	"serve":               {4, "serve", 3},
	"update/gate":         {4, "update", 0},
	"update/selection":    {4, "update", 0},
	"update/train":        {4, "update", 0},
	"update/train/method": {4, "update", 1},
	"update/work":         {4, "update", 2},
	"update/history":      {4, "update", 3},
	"update/runner":       {4, "update", 3},
	"update/nighttest":    {4, "update", 4},
	"update/night":        {4, "update", 5},
	"update":              {4, "update", 6},

	"internal/walkthrough": {4, "walkthrough", 0},
	"internal/conversion":  {4, "conversion", 0},

	"deploy":   {5, "deploy", 0},
	"docs":     {5, "docs", 0},
	"loadtest": {5, "loadtest", 0},

	"internal/app": {5, "app", 0},

	"lab/results":   {6, "lab", 0},
	"lab/pretrain":  {6, "lab", 0},
	"lab/bench":     {6, "lab", 1},
	"lab/continual": {6, "lab", 1},
	"lab/seasons":   {6, "lab", 1},
	"test":          {6, "test", 0},
}

// Command is the place of every package main.
var Command = Place{7, "command", 0}

// Importers of modules that few packages import.
var Importers = map[string][]string{
	"github.com/gofiber/fiber":        {"serve/api"},
	"github.com/yalue/onnxruntime_go": {"onnx/ort"},
	"github.com/redis/go-redis":       {"replaystore/redisstore"},
	"github.com/sugarme":              {"models/tokenizer"},
	"gonum.org/v1/gonum":              {"internal/stats", "models/adapter"},
	"github.com/netresearch/go-cron":  {"internal/schedule"},
}

// Pure packages import the standard library and what is listed only.
var Pure = map[string][]string{
	"internal/engine/scheduler": nil,
	"internal/nightrecord":      nil,
	"internal/routing":          nil,
	"internal/sampling":         nil,
	"serve/api/wire":            {"internal/nightrecord"},
	"update/gate":               {"internal/nightrecord", "internal/stats"},
}
