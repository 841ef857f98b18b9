# SPDX-License-Identifier: ISC
"""tests/trace/browser.py - a headless Chromium, by its remote debugging pipe.

    with Browser() as b:
        b.open('/tmp/page.html')
        b.eval('document.title')
        b.screenshot('/tmp/page.png')
        assert not b.errors

Nothing but Python's own library: messages are JSON, each ended by a NUL, on
file descriptors 3 and 4 of the browser.
"""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time


def find():
    for name in ('chromium', 'chromium-browser', 'google-chrome'):
        path = shutil.which(name)
        if path:
            return path
    return None


class Browser:
    def __init__(self, width=1440, height=900, timeout=60):
        self.timeout = timeout
        self.errors = []
        self.events = []
        self.last_id = 0
        self.buffer = b''
        self.session = None
        self.profile = tempfile.mkdtemp(prefix='gort-browser.')
        to_r, self.to = os.pipe()
        self.back, back_w = os.pipe()
        self.process = subprocess.Popen(
            ['sh', '-c', 'exec 3<&%d 4>&%d; exec "$@"' % (to_r, back_w), 'sh',
             find(), '--headless=new', '--no-sandbox', '--disable-gpu',
             '--disable-dev-shm-usage', '--remote-debugging-pipe',
             '--no-first-run', '--disable-extensions', '--hide-scrollbars',
             '--disable-background-networking',
             '--force-color-profile=srgb',
             '--user-data-dir=' + self.profile,
             '--window-size=%d,%d' % (width, height), 'about:blank'],
            pass_fds=(to_r, back_w), env=dict(os.environ, HOME=self.profile),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_r)
        os.close(back_w)
        self.attach(width, height)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def attach(self, width, height):
        target = self.call('Target.createTarget', url='about:blank')
        self.session = self.call('Target.attachToTarget', flatten=True,
                                 targetId=target['targetId'])['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            self.call(domain + '.enable')
        self.call('Emulation.setDeviceMetricsOverride', width=width,
                  height=height, deviceScaleFactor=1, mobile=False)

    def read(self, deadline):
        while b'\0' not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.back], [], [], left)[0]:
                raise TimeoutError('the browser does not answer')
            data = os.read(self.back, 1 << 20)
            if not data:
                raise EOFError('the browser is gone')
            self.buffer += data
        message, self.buffer = self.buffer.split(b'\0', 1)
        message = json.loads(message)
        if 'method' in message:
            self.note(message['method'], message['params'])
        return message

    def note(self, method, params):
        if method == 'Runtime.exceptionThrown':
            self.errors.append(json.dumps(params['exceptionDetails']))
        elif method == 'Log.entryAdded' and params['entry']['level'] == 'error':
            self.errors.append(params['entry']['text'])
        elif method == 'Runtime.consoleAPICalled' and params['type'] == 'error':
            self.errors.append(json.dumps(params['args']))
        elif method == 'Page.javascriptDialogOpening':
            self.errors.append('dialog: ' + params['message'])
        elif method == 'Network.requestWillBeSent':
            url = params['request']['url']
            if not url.startswith(('file:', 'data:', 'about:')):
                self.errors.append('request: ' + url)
        self.events.append(method)

    def call(self, method, **params):
        self.last_id += 1
        message = {'id': self.last_id, 'method': method, 'params': params}
        if self.session:
            message['sessionId'] = self.session
        data = json.dumps(message).encode() + b'\0'
        while data:
            data = data[os.write(self.to, data):]
        deadline = time.monotonic() + self.timeout
        while True:
            answer = self.read(deadline)
            if answer.get('id') == self.last_id:
                break
        if 'error' in answer:
            raise RuntimeError(method + ': ' + json.dumps(answer['error']))
        return answer['result']

    def open(self, path):
        """Until the page is loaded; returns how long that took, in seconds."""
        begin = time.monotonic()
        self.events.clear()
        self.call('Page.navigate', url='file://' + os.path.abspath(path))
        while 'Page.loadEventFired' not in self.events:
            self.read(begin + self.timeout)
        return time.monotonic() - begin

    def eval(self, expression):
        result = self.call('Runtime.evaluate', expression=expression,
                           returnByValue=True, awaitPromise=True)
        if 'exceptionDetails' in result:
            raise RuntimeError(json.dumps(result['exceptionDetails']))
        return result['result'].get('value')

    def frame(self):
        """Let the page draw what it has been asked to."""
        self.eval('new Promise(f => requestAnimationFrame(() => '
                  'requestAnimationFrame(() => f(0))))')

    def dark(self, on):
        self.call('Emulation.setEmulatedMedia', features=[
            {'name': 'prefers-color-scheme',
             'value': 'dark' if on else 'light'}])

    def mouse(self, kind, x, y, **more):
        self.call('Input.dispatchMouseEvent', type='mouse' + kind, x=x, y=y,
                  **more)

    def click(self, x, y):
        for kind in ('Pressed', 'Released'):
            self.mouse(kind, x, y, button='left', clickCount=1)

    def key(self, key):
        text = {'text': key} if len(key) == 1 else {}
        self.call('Input.dispatchKeyEvent', type='keyDown', key=key, **text)
        self.call('Input.dispatchKeyEvent', type='keyUp', key=key)

    def screenshot(self, path):
        self.frame()
        data = self.call('Page.captureScreenshot', format='png')['data']
        with open(path, 'wb') as f:
            f.write(base64.b64decode(data))

    def close(self):
        os.close(self.to)
        os.close(self.back)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)
