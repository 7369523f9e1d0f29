import pytest

from domain.templates.preheader import insert_preheader

BODY = "|"


@pytest.mark.parametrize(
    "html",
    [
        "<body>|Hi",
        "<BODY class='a>b'\nbgcolor=red>|Hi",
        "<!-- <body> --><body>|Hi",
        "<!doctype html>|<p>Hi",
        "<!doctype html>\r\n<html lang=en>\r\n  <head>\n<meta charset=utf-8><title>A <body> here</title></head>\n  |Hi",
        "<html><head><style>a > body {} /* <body> */</style></head><body>|Hi",
        "<!--[if mso]><body class=mso><![endif]--><!--[if !mso]><!--><body>|<!--<![endif]-->Hi",
        "<html><head><!--[if mso]><xml><o:x/></xml><![endif]--></head><body\n>|<table>",
        "<head><noscript><style>p{}</style></noscript><script>'<body>'</script></head>|<table>",
        "<link rel=x>|&nbsp;Hi",
        "|Hi <body> there",
        "|",
        "<body>|<body>Hi",
        "<title/>a</title>|Hi",
        "<template><p>later</p></template>|<p>now",
    ],
)
def test_a_preheader_is_the_first_thing_of_the_body(html: str) -> None:
    before, _, after = html.partition(BODY)
    placed = insert_preheader(before + after, "Look inside")
    assert placed.startswith(f"{before}<div ")
    assert placed.endswith(f">Look inside</div>{after}")
