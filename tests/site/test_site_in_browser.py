"""A walk through the site in a real browser, from files, without a server."""

import json

from benchmark.site.build import build_site
from tests.browser import NEEDS_BROWSER
from tests.site.conftest import EVIL

pytestmark = NEEDS_BROWSER

TOO_WIDE = """
  const isOut = (e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll') && !e.closest('pre');
  return [...document.querySelectorAll('body *')].filter(isOut).map((e) => e.outerHTML.slice(0, 80))"""


def test_a_reader_walks_from_a_number_to_its_record_and_back(suite_records, checkout, tmp_path, browser):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    build_site(suite_records, tmp_path / "site", checkout, on_page=lambda page: None)
    start = (tmp_path / "site" / "index.html").as_uri()

    def find(selector):
        return browser.find_element(By.CSS_SELECTOR, selector)

    def wait(condition):
        WebDriverWait(browser, 20).until(lambda _: condition())

    # the overview: a hostile name is a text; a number leads to its records
    browser.get(start)
    assert browser.title == "Overview · ECG Arena" and EVIL in find("#main table.grid").text
    assert "SYNTHETIC DATA" in find("#main").text
    number = next(e for e in browser.find_elements(By.CSS_SELECTOR, ".grid td a") if e.text.startswith("0.805"))
    number.send_keys(Keys.ENTER)
    wait(lambda: "/records/made_up/merl.html#of-" in browser.current_url)
    record = find("section:target details")
    assert not record.get_property("open")
    record.find_element(By.CSS_SELECTOR, "summary").send_keys(Keys.ENTER)
    assert "unknown: nobody compared" in record.text and "code1" in record.text
    record.find_element(By.CSS_SELECTOR, "button").send_keys(Keys.ENTER)
    wait(lambda: record.find_elements(By.CSS_SELECTOR, "pre.whole"))
    whole = json.loads(record.find_element(By.CSS_SELECTOR, "pre.whole").text)
    assert whole["key"] == record.get_dom_attribute("id") and browser.title.startswith("Records of merl")

    # the suite's page: the dialog of a number leads to the record, which opens
    find("a[href='./../../suites/made_up.html']").click()
    wait(lambda: browser.execute_script("return document.documentElement.dataset.ready"))
    row = next(
        row for row in browser.find_elements(By.CSS_SELECTOR, "#table-0 tbody tr") if row.text.startswith("merl")
    )
    row.find_element(By.CSS_SELECTOR, "button.number").click()
    wait(lambda: browser.find_elements(By.CSS_SELECTOR, "#record-rows a"))
    link = find("#record-rows a")
    key = link.text
    link.send_keys(Keys.ENTER)
    wait(lambda: browser.current_url.endswith(f"#{key}"))
    assert browser.execute_script("return document.getElementById(arguments[0]).open", key)

    # from there to the card of the weights, which opens as well, and on to dataset and documents
    browser.find_element(By.ID, key).find_element(By.LINK_TEXT, "the card of its weights").send_keys(Keys.ENTER)
    wait(lambda: "/methods/merl.html#weights-" in browser.current_url)
    assert find("details:target").get_property("open")
    for place, words in (("datasets/synthetic.html", "Splits and label sets"), ("docs/page.html", "A heading twice")):
        browser.get(start.replace("index.html", place))
        assert words in find("#main").text

    # on a telephone no page is wider than the screen; colours follow the system; every picture and table has a name
    phone = {"width": 375, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    grounds = set()
    places = ["index.html", "suites/made_up.html", "methods/merl.html", "datasets/ptbxl.html", "docs/index.html"]
    for place in [*places, "records/made_up/merl.html"]:
        path = tmp_path / "site" / place
        for scheme in ("light", "dark"):
            media = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
            browser.get(path.as_uri())
            assert browser.execute_script("return document.documentElement.scrollWidth") == 375, path
            assert browser.execute_script(TOO_WIDE) == [], path
            grounds.add(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2

    # nothing was asked of a network, and nothing complained
    assert [line for line in browser.get_log("browser") if line["level"] == "SEVERE"] == []
    events = (json.loads(line["message"])["message"] for line in browser.get_log("performance"))
    urls = {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}
    assert not [url for url in urls if not url.startswith(("file:", "data:", "chrome:", "chrome-untrusted:"))]
