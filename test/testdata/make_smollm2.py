"""What transformers answers with SmolLM2-135M-Instruct, greedily, for TestSmolLM2.

The test never runs this script; it reads smollm2.json. To write it anew, after make smollm2:

    python3 -m venv /tmp/goldens && /tmp/goldens/bin/pip install torch transformers gguf
    /tmp/goldens/bin/python test/testdata/make_smollm2.py

One element a question: question, prompt (ids of the rendered chat), ids and text of the answer without its end, logprobs of its tokens, and
gaps, by how much the likeliest token's logit exceeds the next one's: where a gap is 0, two programs may part.
"""

import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = Path(__file__).parent
FOLDER, FILE = HERE.parents[1] / ".cache" / "smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
QUESTIONS = [
    "What is the capital of France?", "How do I boil an egg?", "Write a haiku about the sea.", "What is 12 times 9?",
    "Who wrote Romeo and Juliet?", "Explain photosynthesis in one sentence.",
    "How long do I have to return an item I bought at your shop?", "Name three planets.", "Translate 'good morning' into Spanish.",
    "What is the boiling point of water?", "Give me a short recipe for pancakes.", "Why is the sky blue?", "What day comes after Monday?",
    "How many legs does a spider have?", "Tell me a joke.", "What is a prime number?", "Who painted the Mona Lisa?",
    "How can I sleep better?", "List two benefits of exercise.", "What language do people speak in Brazil?",
]

torch.set_num_threads(1)
model = AutoModelForCausalLM.from_pretrained(FOLDER, gguf_file=FILE, dtype=torch.float32).eval()
tokenizer = AutoTokenizer.from_pretrained(FOLDER, gguf_file=FILE)
answers = []
for question in QUESTIONS:
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": question}], add_generation_prompt=True, return_tensors="pt",
                                           return_dict=True)["input_ids"]
    with torch.no_grad():
        made = model.generate(prompt, max_new_tokens=60, do_sample=False, repetition_penalty=1.0, return_dict_in_generate=True, output_logits=True)
    ids = made.sequences[0, prompt.shape[1]:].tolist()
    ends = ids[-1] == tokenizer.eos_token_id
    said = ids[:-1] if ends else ids
    scores = [logits[0].double() for logits in made.logits]
    answers.append({
        "question": question, "prompt": prompt[0].tolist(), "ids": said, "ends": ends, "text": tokenizer.decode(said),
        "logprobs": [round(torch.log_softmax(s, -1)[i].item(), 5) for s, i in zip(scores, said)],
        "gaps": [round((s.topk(2).values[0] - s.topk(2).values[1]).item(), 5) for s, _ in zip(scores, said)],
    })
(HERE / "smollm2.json").write_text("[\n" + ",\n".join(json.dumps(a) for a in answers) + "\n]\n")
