"""What to paste into a platform's program: the same request in each language, with address and key filled in.

Programs are not translated.
"""

import json
from dataclasses import dataclass

#: Shell, Python, JavaScript and PHP all read `json.dumps` of these as one string.
CURL = """\
curl {url} \\
  -H "Authorization: Bearer {key}" \\
  -F 'request={request}' \\
  -F 'upload=@{file}'
"""

PYTHON = """\
import json
import httpx

def verdict_of(path):
    with open(path, "rb") as upload:
        answer = httpx.post(
            "{url}",
            headers={{"Authorization": "Bearer {key}"}},
            data={{"request": json.dumps({request})}},
            files={{"upload": upload}},
            timeout=30,
        )
    answer.raise_for_status()
    return answer.json()["verdict"]

print(verdict_of("{file}"))
"""

NODE = """\
import {{ openAsBlob }} from "node:fs";

async function verdictOf(path) {{
  const form = new FormData();
  form.set("request", JSON.stringify({request}));
  form.set("upload", await openAsBlob(path), "upload");
  const answer = await fetch("{url}", {{
    method: "POST",
    headers: {{ Authorization: "Bearer {key}" }},
    body: form,
  }});
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()).verdict;
}}

console.log(await verdictOf("{file}"));
"""

PHP = """\
<?php
function verdict_of(string $path): string {{
    $curl = curl_init("{url}");
    curl_setopt_array($curl, [
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_FAILONERROR => true,
        CURLOPT_TIMEOUT => 30,
        CURLOPT_HTTPHEADER => ["Authorization: Bearer {key}"],
        CURLOPT_POSTFIELDS => [
            "request" => '{request}',
            "upload" => new CURLFile($path),
        ],
    ]);
    return json_decode(curl_exec($curl), flags: JSON_THROW_ON_ERROR)->verdict;
}}

echo verdict_of("{file}"), "\\n";
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class WayIn:
    """One language: `id` for the page, `title` as people call it, `text` to paste."""

    id: str
    title: str
    text: str


def ways_in(base_url: str, key: str, surface: str, *, file: str = "picture.jpg") -> tuple[WayIn, ...]:
    """The same request in each language. Surface names have no quotes in them."""
    request = json.dumps({"surface": surface, "parts": [{"kind": "image", "file": "upload"}]})
    kinds = (("curl", "curl", CURL), ("python", "Python", PYTHON), ("node", "Node.js", NODE), ("php", "PHP", PHP))
    given = {"url": f"{base_url}/v1/screen", "key": key, "request": request, "file": file}
    return tuple(WayIn(id=name, title=title, text=text.format(**given)) for name, title, text in kinds)
