"""The page in a real browser: it sorts, filters, explains its numbers, asks nobody for anything and runs no record."""

import functools
import json
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from benchmark.cli import main
from tests.browser import NEEDS_BROWSER

EVIL = "<script>document.title='owned'</script>"
PUBLISHED = (
    "method,task,dataset,label_set,where,metric,value,source,evidence\n"
    "Their <b>method</b>,linear_probe,synthetic,,fraction=0.1,auroc_macro,0.999,A paper,primary\n"
)
VALUES = {"random_init": 0.6, "handcrafted": 0.75, "merl": 0.8, EVIL: 0.7}

pytestmark = NEEDS_BROWSER


@pytest.fixture
def site(tmp_path, tiny_suite, store, fill):
    """The page of a made-up leaderboard on a local server that notes every request."""
    tiny_suite.write_text(
        tiny_suite.read_text() + f'\n[[methods]]\nname = "handcrafted"\nlabel = "{EVIL}"\nconfig = {{rate = 99}}\n'
    )
    from benchmark.planning.plan import make_plan
    from benchmark.planning.suites import load_suite

    noise = np.random.default_rng(0).normal(0, 0.02, 200).astype(np.float32)
    plan = make_plan(load_suite(str(tiny_suite)))
    fill(plan, store, lambda cell: VALUES[cell.row], lambda cell: noise, notes=[f"a note {EVIL}"])
    published = tmp_path / "own.csv"
    published.write_text(PUBLISHED)
    arguments = ["--records", str(store.root), "--format", "html", "--out", str(tmp_path)]
    main(["leaderboard", str(tiny_suite), *arguments, "--published", str(published)])
    requests = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, _format, *arguments):
            requests.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/tiny.html", requests
    server.shutdown()


def names(browser):
    script = "return [...document.querySelectorAll('#table-0 tbody tr td:first-child')].map(td => td.textContent)"
    return browser.execute_script(script)


def wait_for_names(browser, expected):
    """DataTables sorts a moment after the click."""
    from selenium.common.exceptions import TimeoutException
    from selenium.webdriver.support.ui import WebDriverWait

    try:
        WebDriverWait(browser, 10).until(lambda b: names(b) == expected)
    except TimeoutException:
        raise AssertionError(f"{expected} expected, {names(browser)} came") from None


def test_the_page_in_a_browser(site, browser, capsys):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    address, requests = site
    browser.get(address)
    WebDriverWait(browser, 20).until(lambda b: b.execute_script("return document.documentElement.dataset.ready"))

    # a method named <script> stays text, in the table and in the notes
    assert browser.title == "Tiny synthetic suite" and EVIL in names(browser)

    # sorting by the second column, the best first, then the other way round; published rows stay below
    header = browser.find_elements(By.CSS_SELECTOR, "#table-0 thead th")[1]
    header.click()
    wait_for_names(browser, ["merl", "handcrafted", EVIL, "random_init"])
    header.click()
    wait_for_names(browser, ["random_init", EVIL, "handcrafted", "merl"])
    header.click()
    wait_for_names(browser, ["merl", "handcrafted", EVIL, "random_init"])
    footer = browser.find_element(By.CSS_SELECTOR, "#table-0 tfoot")
    assert footer.text.split("\n")[0].startswith("Their <b>method</b> (A paper)") and "0.999" in footer.text

    # filtering all tables at once
    field = browser.find_element(By.ID, "filter")
    field.send_keys("hand")
    wait_for_names(browser, ["handcrafted"])
    field.send_keys(Keys.BACKSPACE * 4)
    assert len(names(browser)) == 4

    # the tooltip, by keyboard; Enter opens the record behind the number
    number = browser.find_element(By.CSS_SELECTOR, "#table-0 tbody button.number")
    browser.execute_script("arguments[0].focus()", number)
    tip = browser.find_element(By.ID, "tip")
    assert tip.is_displayed() and "0.800" in tip.text and "2 subset seeds" in tip.text
    number.send_keys(Keys.ENTER)
    dialog = browser.find_element(By.ID, "record")
    assert dialog.is_displayed() and "merl: Linear probe on synthetic groups, 10 %" in dialog.text
    summary = dialog.find_element(By.CSS_SELECTOR, "#record-parts summary")
    assert summary.text == "By class"
    summary.click()
    assert "MI 5 0.800" in dialog.find_element(By.ID, "record-parts").text.replace("\n", " ")
    assert f"a note {EVIL}" in dialog.text and browser.title == "Tiny synthetic suite"
    links = dialog.find_elements(By.CSS_SELECTOR, "#record-rows a")
    assert len(links) == 2 and links[0].get_dom_attribute("href").startswith("./records/linear_probe/merl/")
    browser.find_element(By.ID, "record-close").send_keys(Keys.ENTER)
    assert not dialog.is_displayed()

    # dark and light; wide tables scroll inside themselves on a phone
    was = browser.execute_script("return document.documentElement.classList.contains('dark')")
    browser.find_element(By.ID, "theme").click()
    assert browser.execute_script("return document.documentElement.classList.contains('dark')") is not was
    phone = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    wide = (
        "return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1"
    )
    inside = " && !e.closest('.scroll')).map(e => e.outerHTML.slice(0, 80))"
    assert browser.execute_script(wide + inside) == []

    # nothing left the page, nothing complained
    assert requests == ["/tiny.html"]
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []
    events = (json.loads(line["message"])["message"] for line in browser.get_log("performance"))
    urls = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    assert {url for url in urls if not url.startswith(("data:", "chrome:", "chrome-untrusted:"))} == {address}


def test_the_link_of_a_number_leads_to_its_record(site, browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    address, _ = site
    browser.get(address)
    browser.find_element(By.CSS_SELECTOR, "button.number").click()
    WebDriverWait(browser, 20).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#record-rows a"))
    href = browser.find_element(By.CSS_SELECTOR, "#record-rows a").get_dom_attribute("href")
    assert (Path(tmp_path) / href).is_file()
