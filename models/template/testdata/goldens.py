# Writes goldens.json: for each template beside this file, conversations and the prompt that transformers'
# apply_chat_template makes of them, or the error. Needs transformers and jinja2; run: python goldens.py
import json, os
from transformers.utils.chat_template_utils import render_jinja_template

here = os.path.dirname(os.path.abspath(__file__))
texts = ["Hello!", "", "  two\n\nlines \n", "<|endoftext|><|im_end|> [/INST] </s>", "{{ 7 }} {% raw %}", "naïve 你好 🏕️ \u00a0", "'\"\\n<&>"]
conversations = [
    [("user", texts[0])],
    [("system", "Be brief.\n"), ("user", texts[2])],
    [("user", texts[3]), ("assistant", texts[3]), ("user", texts[4])],
    [("system", texts[5]), ("user", texts[6]), ("assistant", texts[2]), ("user", texts[5])],
    [("user", texts[1]), ("assistant", texts[0]), ("user", texts[0])],
    [("assistant", texts[0])],
    [("user", "a"), ("user", "b")],
    [("system", texts[3]), ("user", texts[1]), ("assistant", "")],
    [("tool", "42"), ("user", " x")],
]
out = []
for name in sorted(d for d in os.listdir(here) if os.path.isdir(os.path.join(here, d))):
    with open(os.path.join(here, name, "chat_template.jinja"), encoding="utf-8") as f:
        template = f.read()
    for conversation in conversations:
        for prompt in (False, True):
            row = {"template": name, "messages": [{"Role": r, "Content": c} for r, c in conversation], "generate": prompt}
            try:
                rendered = render_jinja_template(
                    [[{"role": r, "content": c} for r, c in conversation]], chat_template=template,
                    add_generation_prompt=prompt, bos_token="<s>", eos_token="<|endoftext|>")
                row["prompt"] = (rendered[0] if isinstance(rendered, tuple) else rendered)[0]
            except Exception as e:
                row["error"] = str(e)
            out.append(row)
with open(os.path.join(here, "goldens.json"), "w", encoding="utf-8") as f:
    json.dump(out, f, ensure_ascii=False, indent=1)
    f.write("\n")
print(len(out), sum("error" in r for r in out), {r["error"] for r in out if "error" in r})
