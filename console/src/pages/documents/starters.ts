/** A mail to begin with. */
export const MAIL = `---
channel: email
from: My shop <hello@example.com>
subject: Hello {{ profile.traits.first_name | default: "there" }}
text: |
  Hello {{ profile.traits.first_name | default: "there" }}
---
<p>Hello {{ profile.traits.first_name | default: "there" }}</p>
`
